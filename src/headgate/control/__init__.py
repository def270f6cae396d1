"""The gate's own pages: an application that the data plane sees as one more upstream."""
