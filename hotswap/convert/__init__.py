"""Objects of classes that changed: they carry a version, and are converted on their first access."""
