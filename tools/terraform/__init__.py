"""Reads the Terraform modules without Terraform: their tables, their conventions, their schema."""
