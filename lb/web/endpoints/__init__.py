"""The doors: each endpoint decodes what came, and hands it to the proxy."""
