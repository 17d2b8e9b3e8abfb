"""The saliency detectors, one file each; a new file here is found by ``mixviz.SALIENCY``."""
