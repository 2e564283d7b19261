"""A local demo in the browser: films in, a report out that can be questioned. Not for clinical use."""
