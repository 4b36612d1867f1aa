"""The commands of `sandbox-exporter`, one module each."""
