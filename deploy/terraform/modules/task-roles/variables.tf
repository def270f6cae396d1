variable "name" {
  description = "Prefix of the names of the two roles."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,25}$", var.name))
    error_message = "Must begin with a letter and have at most 26 letters, digits and hyphens: IAM takes prefixes of at most 38 characters."
  }
}

variable "images" {
  description = "Images of the task. For those in private repositories of ECR the execution role may pull from exactly these repositories."
  type        = list(string)
  nullable    = false
}

variable "secrets" {
  description = "References (`valueFrom`) of the secrets that the task's containers get: ARNs of Secrets Manager, also with a JSON key and a version, or of parameters in SSM."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for each in var.secrets :
      can(regex("^arn:[a-z0-9-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+(:[^:]*:[^:]*:[^:]*)?$", each)) ||
      can(regex("^arn:[a-z0-9-]+:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9/_.-]+$", each))
    ])
    error_message = "Each must be the ARN of a secret (arn:aws:secretsmanager:…:secret:NAME, or with :JSON_KEY:VERSION_STAGE:VERSION_ID) or of a parameter (arn:aws:ssm:…:parameter/NAME)."
  }
}

variable "kms_key_arns" {
  description = "Customer managed keys that the secrets are encrypted with. Keys that AWS manages need no permission."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for each in var.kms_key_arns : can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", each))])
    error_message = "Each must be the ARN of a key (not of an alias), such as arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555."
  }
}

variable "log_group_arn" {
  description = "ARN of the log group that the task's containers write to."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z0-9-]+:logs:[a-z0-9-]+:[0-9]{12}:log-group:[^:]+$", var.log_group_arn))
    error_message = "Must be the ARN of a log group, without a star at its end."
  }
}

variable "task_policy_json" {
  description = "Policy document with what the program in the task may do; null: nothing."
  type        = string
  default     = null
  nullable    = true
}

variable "attach_task_policy" {
  description = "Whether there is a `task_policy_json`, which may not be known when Terraform plans."
  type        = bool
  default     = false
  nullable    = false
}

variable "enable_execute_command" {
  description = "Let the task open the channels that ECS Exec needs."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of both roles; null: none."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z0-9-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "Must be the ARN of a policy."
  }
}

variable "tags" {
  description = "Tags of the roles."
  type        = map(string)
  default     = {}
  nullable    = false
}
