variable "create_namespace" {
  description = "Create the private DNS namespace. With false, `namespace_id` names an existing one."
  type        = bool
  default     = true
  nullable    = false
}

variable "namespace_name" {
  description = "Name of the private DNS namespace, such as `ml.internal`; also that of an existing one, since names of services end with it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace_name)) && length(var.namespace_name) <= 200
    error_message = "Must be a DNS name of at least two labels in lower case, such as ml.internal."
  }

  validation {
    condition     = !endswith(var.namespace_name, ".local")
    error_message = "Names below .local belong to multicast DNS (RFC 6762), which resolvers of many images ask instead of Route 53; choose another name, such as ml.internal."
  }
}

variable "namespace_id" {
  description = "Id of an existing private DNS namespace, such as `ns-1234567890abcdef`, with `create_namespace = false`."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.namespace_id == null || can(regex("^ns-[a-z0-9]+$", var.namespace_id))
    error_message = "Must be the id of a namespace, such as ns-1234567890abcdef."
  }

  validation {
    condition     = var.create_namespace == (var.namespace_id == null)
    error_message = "Give namespace_id exactly when create_namespace is false."
  }
}

variable "vpc_id" {
  description = "VPC in which the names of a new namespace resolve; needs `enableDnsSupport` and `enableDnsHostnames`. Not used with an existing namespace."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.vpc_id == null || can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "Must be the id of a VPC, such as vpc-0123456789abcdef0."
  }

  validation {
    condition     = !var.create_namespace || var.vpc_id != null
    error_message = "A new namespace needs vpc_id."
  }
}

variable "mlflow" {
  description = <<-EOT
    The Cloud Map service for MLflow. `network_mode` is that of MLflow's task definition: `awsvpc` may have
    `A` and `SRV` records, `bridge` and `host` only `SRV`. `ttl` is in seconds: until it ends, clients use
    addresses of tasks that are gone. `port` is the container's.
  EOT
  type = object({
    name         = optional(string, "mlflow")
    port         = optional(number, 5000)
    network_mode = optional(string, "awsvpc")
    record_types = optional(set(string), ["A"])
    ttl          = optional(number, 10)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*$", var.mlflow.name))
    error_message = "mlflow.name must be a label of DNS in lower case, or several with dots, such as mlflow or _mlflow._tcp."
  }

  validation {
    condition     = var.mlflow.port >= 1 && var.mlflow.port <= 65535 && floor(var.mlflow.port) == var.mlflow.port
    error_message = "mlflow.port must be a port from 1 to 65535."
  }

  validation {
    condition     = contains(["awsvpc", "bridge", "host"], var.mlflow.network_mode)
    error_message = "mlflow.network_mode must be awsvpc, bridge or host."
  }

  validation {
    condition     = length(var.mlflow.record_types) > 0 && length(setsubtract(var.mlflow.record_types, ["A", "SRV"])) == 0
    error_message = "mlflow.record_types must have A, SRV or both."
  }

  validation {
    condition     = var.mlflow.network_mode == "awsvpc" || !contains(var.mlflow.record_types, "A")
    error_message = "With the network modes bridge and host, ECS registers SRV records only: their ports differ from task to task. Set mlflow.record_types = [\"SRV\"]."
  }

  validation {
    condition     = var.mlflow.ttl >= 5 && var.mlflow.ttl <= 60 && floor(var.mlflow.ttl) == var.mlflow.ttl
    error_message = "mlflow.ttl must be from 5 to 60 seconds: a longer one lets clients use tasks that are gone, a shorter one floods the resolver of the VPC (1,024 packets per second and network interface)."
  }
}

variable "gateway" {
  description = "The Cloud Map service for the gate, for clients and Prometheus in the VPC, with the same attributes as `mlflow`; null: none. Most deployments reach the gate through its load balancer alone."
  type = object({
    name         = optional(string, "headgate")
    port         = optional(number, 8080)
    network_mode = optional(string, "awsvpc")
    record_types = optional(set(string), ["A"])
    ttl          = optional(number, 10)
  })
  default  = null
  nullable = true

  validation {
    condition     = var.gateway == null || can(regex("^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*$", var.gateway.name))
    error_message = "gateway.name must be a label of DNS in lower case, or several with dots, such as headgate or _headgate._tcp."
  }

  validation {
    condition     = var.gateway == null || try(var.gateway.name != var.mlflow.name, true)
    error_message = "gateway.name and mlflow.name must differ: the tasks of both would be endpoints of one service."
  }

  validation {
    condition     = try(var.gateway.port >= 1 && var.gateway.port <= 65535 && floor(var.gateway.port) == var.gateway.port, var.gateway == null)
    error_message = "gateway.port must be a port from 1 to 65535."
  }

  validation {
    condition     = try(contains(["awsvpc", "bridge", "host"], var.gateway.network_mode), var.gateway == null)
    error_message = "gateway.network_mode must be awsvpc, bridge or host."
  }

  validation {
    condition     = try(length(var.gateway.record_types) > 0 && length(setsubtract(var.gateway.record_types, ["A", "SRV"])) == 0, var.gateway == null)
    error_message = "gateway.record_types must have A, SRV or both."
  }

  validation {
    condition     = try(var.gateway.network_mode == "awsvpc" || !contains(var.gateway.record_types, "A"), var.gateway == null)
    error_message = "With the network modes bridge and host, ECS registers SRV records only. Set gateway.record_types = [\"SRV\"]."
  }

  validation {
    condition     = try(var.gateway.ttl >= 5 && var.gateway.ttl <= 60 && floor(var.gateway.ttl) == var.gateway.ttl, var.gateway == null)
    error_message = "gateway.ttl must be from 5 to 60 seconds."
  }
}

variable "discovery" {
  description = "How the gate finds MLflow, which decides the form of the output `upstream_url`: `dns` (A records), `srv` (SRV records) or `cloudmap` (Cloud Map's API, which lists all tasks and not only eight, and needs a way to AWS and permissions). Null: `dns` where there are A records, otherwise `srv`."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.discovery == null || try(contains(["dns", "srv", "cloudmap"], var.discovery), false)
    error_message = "Must be dns, srv or cloudmap."
  }

  validation {
    condition     = var.discovery != "dns" || contains(var.mlflow.record_types, "A")
    error_message = "discovery = \"dns\" needs \"A\" in mlflow.record_types."
  }

  validation {
    condition     = var.discovery != "srv" || contains(var.mlflow.record_types, "SRV")
    error_message = "discovery = \"srv\" needs \"SRV\" in mlflow.record_types."
  }
}

variable "force_destroy" {
  description = "Deregister instances that are left when the services are destroyed. Otherwise `terraform destroy` fails while tasks are registered."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
