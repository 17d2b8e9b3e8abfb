"""Draw mixtures: overlays, panels, figures, animations and exported files."""
