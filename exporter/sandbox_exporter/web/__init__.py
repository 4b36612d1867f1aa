"""The HTTP server: scrapes, health, reload and the landing page, behind TLS and basic auth."""
