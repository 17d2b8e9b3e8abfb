"""Services that several views share: detectors, networks, caches, presenters, downloads."""
