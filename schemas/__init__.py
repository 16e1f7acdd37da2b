"""The contract on disk: records, Arrow schemas, shards and manifests. Imports nothing else of this project."""
