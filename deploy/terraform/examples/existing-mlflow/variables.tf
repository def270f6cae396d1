variable "region" {
  description = "Region of AWS."
  type        = string
  nullable    = false
}

variable "cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(":cluster/", var.cluster_arn))
    error_message = "Must be the ARN of a cluster."
  }
}

variable "vpc_id" {
  description = "VPC of the gate."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Subnets of the tasks and of the load balancer, in at least two availability zones."
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
  description = "Host name of the gate."
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

variable "image" {
  description = "Image of the gate, with a version or a digest."
  type        = string
  nullable    = false
}

variable "mlflow_url" {
  description = "Where MLflow is, such as `http://mlflow.internal:5000`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://", var.mlflow_url))
    error_message = "Must be a URL, such as http://mlflow.internal:5000."
  }
}

variable "mlflow_port" {
  description = "Port of MLflow."
  type        = number
  default     = 5000
  nullable    = false

  validation {
    condition     = var.mlflow_port >= 1 && var.mlflow_port <= 65535
    error_message = "Must be from 1 to 65535."
  }
}

variable "mlflow_security_group_id" {
  description = "Security group of MLflow, which gets a rule for the gate. Remove its other rules for that port, or clients pass the gate by."
  type        = string
  nullable    = false
}

variable "database_cidr_block" {
  description = "Network of the PostgreSQL server with the key store, which must let the gate's security group in."
  type        = string
  nullable    = false
}

variable "database_url_secret_arn" {
  description = "ARN of the secret with the URL of that database."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.database_url_secret_arn, "arn:")
    error_message = "Must be the ARN of a secret, not the URL."
  }
}

variable "create_service" {
  description = "False for the first apply, until `headgate db upgrade` has made the tables."
  type        = bool
  default     = true
  nullable    = false
}
