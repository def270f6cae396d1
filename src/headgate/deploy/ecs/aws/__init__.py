"""The adapter that asks AWS, over boto3: the only package of the deployment that knows it."""
