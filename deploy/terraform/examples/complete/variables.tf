variable "region" {
  description = "Region of AWS."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the cluster, and prefix of what belongs to it."
  type        = string
  default     = "ml"
  nullable    = false
}

variable "vpc_id" {
  description = "VPC with `enableDnsSupport` and `enableDnsHostnames`."
  type        = string
  nullable    = false
}

variable "private_subnet_ids" {
  description = "Subnets of the tasks and of the load balancer, in at least two availability zones, with NAT or VPC endpoints."
  type        = list(string)
  nullable    = false
}

variable "client_cidr_blocks" {
  description = "Networks that may reach the gate."
  type        = list(string)
  default     = ["10.0.0.0/8"]
  nullable    = false
}

variable "public_name" {
  description = "Host name of the gate, such as `mlflow.example.com`."
  type        = string
  nullable    = false
}

variable "certificate_arn" {
  description = "ARN of the certificate for `public_name`."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.certificate_arn, "arn:")
    error_message = "Must be the ARN of a certificate."
  }
}

variable "hosted_zone_id" {
  description = "Hosted zone in which `public_name` is made; null: you make it."
  type        = string
  default     = null
  nullable    = true
}

variable "namespace_name" {
  description = "Name of the private DNS namespace."
  type        = string
  default     = "ml.internal"
  nullable    = false
}

variable "gateway_image" {
  description = "Image of the gate, with a version or a digest."
  type        = string
  nullable    = false
}

variable "mlflow_image" {
  description = "Image of MLflow, with a version or a digest."
  type        = string
  nullable    = false
}

variable "database_security_group_id" {
  description = "Security group of the PostgreSQL server, which both databases are on."
  type        = string
  nullable    = false
}

variable "gateway_database_url_secret_arn" {
  description = "ARN of the secret with the URL of the gate's database."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.gateway_database_url_secret_arn, "arn:")
    error_message = "Must be the ARN of a secret, not the URL."
  }
}

variable "mlflow_database_url_secret_arn" {
  description = "ARN of the secret with the URL of MLflow's database."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.mlflow_database_url_secret_arn, "arn:")
    error_message = "Must be the ARN of a secret, not the URL."
  }
}

variable "first_key_sha256" {
  description = "SHA-256 of the first key; null once it is revoked."
  type        = string
  default     = null
  nullable    = true
}

variable "create_gateway_service" {
  description = "False for the first apply, until `headgate db upgrade` has made the tables."
  type        = bool
  default     = true
  nullable    = false
}

variable "documentation_url" {
  description = "Where the alarms find the runbook: the URL of the root of Headgate's repository, at the version that runs."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.documentation_url, "https://")
    error_message = "Must be a URL, such as https://code.example.com/headgate/blob/main."
  }
}
