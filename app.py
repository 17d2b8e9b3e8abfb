"""The web app's entry: ``python app.py``, and the ``app_file`` of a hosted Space."""

from mixviz.ui.app import launch

if __name__ == "__main__":
    launch()
