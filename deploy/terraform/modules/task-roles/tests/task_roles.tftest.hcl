mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked", id = "mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/mocked", name = "/ecs/mocked" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mocked:7", revision = 7 }
  }
}

variables {
  name          = "gate"
  images        = ["ghcr.io/example/headgate:0.1.0"]
  log_group_arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/gate"
}

run "as_little_as_can_be" {
  command = apply

  assert {
    condition     = jsondecode(aws_iam_role_policy.execution.policy).Statement == [{ Sid = "WriteLogs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/gate:log-stream:*"] }]
    error_message = "Without secrets and ECR, ECS may write logs."
  }

  assert {
    condition     = length(aws_iam_role_policy.task) + length(aws_iam_role_policy.execute_command) == 0
    error_message = "The program may do nothing."
  }

  assert {
    condition     = jsondecode(aws_iam_role.task.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012" && jsondecode(aws_iam_role.execution.assume_role_policy).Statement[0].Condition.ArnLike["aws:SourceArn"] == "arn:aws:ecs:eu-central-1:123456789012:*"
    error_message = "Only tasks of this account and region use the roles."
  }
}

run "everything" {
  command = apply

  variables {
    images                 = ["123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/gate@sha256:1111111111111111111111111111111111111111111111111111111111111111", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/gate:1"]
    secrets                = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf:key:AWSCURRENT:", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf", "arn:aws:ssm:eu-central-1:123456789012:parameter/a/b"]
    kms_key_arns           = ["arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"]
    task_policy_json       = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
    attach_task_policy     = true
    enable_execute_command = true
  }

  assert {
    condition = { for each in jsondecode(aws_iam_role_policy.execution.policy).Statement : each.Sid => each.Resource if each.Sid != "WriteLogs" } == {
      LogInToEcr     = ["*"]
      PullImages     = ["arn:aws:ecr:eu-central-1:123456789012:repository/team/gate"]
      ReadSecrets    = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf"]
      ReadParameters = ["arn:aws:ssm:eu-central-1:123456789012:parameter/a/b"]
      DecryptSecrets = ["arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"]
    }
    error_message = "Each permission names its resource, once."
  }

  assert {
    condition     = one([for each in jsondecode(aws_iam_role_policy.execution.policy).Statement : each.Condition.StringEquals["kms:ViaService"] if each.Sid == "DecryptSecrets"]) == ["secretsmanager.eu-central-1.amazonaws.com", "ssm.eu-central-1.amazonaws.com"]
    error_message = "The key is used by way of these services alone."
  }

  assert {
    condition     = length(aws_iam_role_policy.task) == 1 && alltrue([for each in jsondecode(aws_iam_role_policy.execute_command[0].policy).Statement[0].Action : startswith(each, "ssmmessages:")])
    error_message = "The program has its policy, and the channels of ECS Exec."
  }
}

run "no_reference" {
  command = plan

  variables {
    secrets = ["postgresql://headgate:canary@db/headgate"]
  }

  expect_failures = [var.secrets]
}

run "alias_of_a_key" {
  command = plan

  variables {
    kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:alias/secrets"]
  }

  expect_failures = [var.kms_key_arns]
}

run "long_name" {
  command = plan

  variables {
    name = "a-name-with-more-than-26-characters"
  }

  expect_failures = [var.name]
}
