"""A local demo in the browser: films in, a report out that can be explored. Not for clinical use."""
