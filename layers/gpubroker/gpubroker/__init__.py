"""GPUBROKER: a GPU compute marketplace on AWS serverless."""
