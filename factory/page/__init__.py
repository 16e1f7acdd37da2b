"""The pages of the service, rendered on the server. They work without their script, and load nothing from elsewhere."""
