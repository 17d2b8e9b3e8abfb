"""The web page: the only place, with app.py, that imports gradio."""
