terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.21 is the first version with the strategies CANARY and LINEAR.
      version = ">= 6.21, < 7.0"
    }
  }
}
