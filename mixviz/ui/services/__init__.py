"""What several views share: detectors, networks, caches, presenters, downloads."""
