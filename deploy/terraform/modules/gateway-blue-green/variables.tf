variable "name" {
  description = "Name of the ECS service, as the module `gateway` has it."
  type        = string
  default     = "headgate"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$", var.name))
    error_message = "Must have 1 to 24 small letters, digits and hyphens, and start with a letter."
  }
}

variable "cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/", var.cluster_arn))
    error_message = "Must be the ARN of a cluster, such as arn:aws:ecs:eu-central-1:123456789012:cluster/ml."
  }
}

variable "task_definition_arn" {
  description = "ARN of the template, `task_definition_arn` of the module `gateway`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:[^:]+:[0-9]{12}:task-definition/[^:]+:[0-9]+$", var.task_definition_arn))
    error_message = "Must be the ARN of one revision of a task definition."
  }
}

variable "container_name" {
  description = "Name of the gate's container, `container_name` of the module `gateway`."
  type        = string
  default     = "headgate"
  nullable    = false
}

variable "container_port" {
  description = "Port of the gate's container, `container_port` of the module `gateway`."
  type        = number
  default     = 8080
  nullable    = false

  validation {
    condition     = var.container_port >= 1 && var.container_port <= 65535
    error_message = "Must be a port, 1 to 65535."
  }
}

variable "vpc_id" {
  description = "VPC of the load balancer and the tasks."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "Must be the id of a VPC, such as vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Subnets of the tasks, in at least two availability zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Give at least two subnets, in different availability zones."
  }
}

variable "assign_public_ip" {
  description = "Give tasks a public address; needed where their subnets have neither a NAT gateway nor VPC endpoints."
  type        = bool
  default     = false
  nullable    = false
}

variable "task_security_group_id" {
  description = "Security group of the tasks, `security_group_id` of the module `gateway`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^sg-[0-9a-f]+$", var.task_security_group_id))
    error_message = "Must be the id of a security group, such as sg-0123456789abcdef0."
  }
}

variable "target_group_arn" {
  description = "ARN of the first (blue) target group, `target_group_arn` of the module `gateway`. This module makes the second."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:elasticloadbalancing:[^:]+:[0-9]{12}:targetgroup/", var.target_group_arn))
    error_message = "Must be the ARN of a target group."
  }
}

variable "deregistration_delay_seconds" {
  description = "For how long the second target group lets requests of a task that goes end; the same as `deregistration_delay` of the module `gateway`."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.deregistration_delay_seconds >= 0 && var.deregistration_delay_seconds <= 3600
    error_message = "Must be from 0 to 3600 seconds."
  }
}

variable "load_balancer_arn" {
  description = "ARN of the Application Load Balancer, for the test listener."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:elasticloadbalancing:[^:]+:[0-9]{12}:loadbalancer/app/", var.load_balancer_arn))
    error_message = "Must be the ARN of an Application Load Balancer."
  }
}

variable "load_balancer_security_group_id" {
  description = "Security group of the load balancer; it gets one rule for each of `test_cidrs`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^sg-[0-9a-f]+$", var.load_balancer_security_group_id))
    error_message = "Must be the id of a security group, such as sg-0123456789abcdef0."
  }
}

variable "listener_arn" {
  description = "ARN of the HTTPS listener that users reach, `listener_arn` of the module `gateway`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:elasticloadbalancing:[^:]+:[0-9]{12}:listener/app/", var.listener_arn))
    error_message = "Must be the ARN of a listener."
  }
}

variable "listener_rule_priority" {
  description = "Priority of the rule at `listener_arn` whose weights ECS changes. It has to come before each other rule for the same name."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.listener_rule_priority >= 1 && var.listener_rule_priority <= 50000
    error_message = "Must be from 1 to 50000."
  }
}

variable "public_name" {
  description = "The name that users have in the gate's URL, such as `mlflow.example.com`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9*]([a-z0-9.-]*[a-z0-9])?$", var.public_name))
    error_message = "Must be a DNS name in small letters."
  }
}

variable "certificate_arn" {
  description = "Certificate of the test listener, for `public_name`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:(acm|iam):", var.certificate_arn))
    error_message = "Must be the ARN of a certificate of ACM or IAM."
  }
}

variable "ssl_policy" {
  description = "TLS policy of the test listener."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  nullable    = false

  validation {
    condition     = startswith(var.ssl_policy, "ELBSecurityPolicy-")
    error_message = "Must be the name of a TLS policy of Elastic Load Balancing."
  }
}

variable "test_port" {
  description = "Port of the test listener, at which `headgate verify` reaches the new revision before users do."
  type        = number
  default     = 8443
  nullable    = false

  validation {
    condition     = var.test_port >= 1 && var.test_port <= 65535 && var.test_port != 443
    error_message = "Must be a port that the production listener does not have."
  }
}

variable "test_cidrs" {
  description = "Where operators and pipelines reach the test listener from. It leads to a revision that nobody has verified: never `0.0.0.0/0`."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for each in var.test_cidrs : can(cidrhost(each, 0)) && !endswith(each, "/0")])
    error_message = "Must be IPv4 blocks in CIDR notation, and not all addresses."
  }
}

variable "desired_count" {
  description = "Number of tasks at first; autoscaling changes it. During a deployment there are twice as many."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.desired_count >= 2
    error_message = "At least two tasks, so that one may fail."
  }
}

variable "autoscaling" {
  description = <<-EOT
    Number of tasks: at least `min`, at most `max`, so that they use `cpu_percent` of their CPU. A pause of a
    deployment does not stop autoscaling. Cooldowns are in seconds.
  EOT
  type = object({
    enabled            = optional(bool, true)
    min                = optional(number, 2)
    max                = optional(number, 6)
    cpu_percent        = optional(number, 60)
    scale_in_cooldown  = optional(number, 300)
    scale_out_cooldown = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.autoscaling.min >= 1 && var.autoscaling.max >= var.autoscaling.min
    error_message = "min must be at least 1, and max at least min."
  }
}

variable "strategy" {
  description = "`CANARY` sends `canary_percent` of the requests to the new revision first, `BLUE_GREEN` all in one go."
  type        = string
  default     = "CANARY"
  nullable    = false

  validation {
    condition     = contains(["CANARY", "BLUE_GREEN"], var.strategy)
    error_message = "Must be CANARY or BLUE_GREEN."
  }
}

variable "canary_percent" {
  description = "Part of the requests that goes to the new revision first, with `CANARY`."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.canary_percent >= 1 && var.canary_percent <= 99
    error_message = "Must be from 1 to 99."
  }
}

variable "canary_bake_minutes" {
  description = "For how long the canary is watched before the other requests follow. Alarms need about 3 minutes to notice."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.canary_bake_minutes >= 0 && var.canary_bake_minutes <= 1440
    error_message = "Must be from 0 to 1440 minutes."
  }
}

variable "bake_minutes" {
  description = "For how long the old revision keeps running after all requests have gone to the new one: until then, a rollback only moves the listener's weights back."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.bake_minutes >= 0 && var.bake_minutes <= 1440
    error_message = "Must be from 0 to 1440 minutes."
  }
}

variable "deployment_alarm_names" {
  description = "Alarms that roll a deployment back, such as `deployment_alarm_names` of the module `observability`."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "health_check_grace_period_seconds" {
  description = "For how long after its start a task may fail the load balancer's health check."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.health_check_grace_period_seconds >= 0
    error_message = "Must be 0 or more seconds."
  }
}

variable "enable_execute_command" {
  description = "Let operators open a shell in a task with `aws ecs execute-command`."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role with which ECS changes the listener rules."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam:", var.permissions_boundary_arn))
    error_message = "Must be the ARN of a policy."
  }
}

variable "tags" {
  description = "Tags for everything that can have them."
  type        = map(string)
  default     = {}
  nullable    = false
}
