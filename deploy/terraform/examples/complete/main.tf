# MLflow with the gate in front of it, in a VPC of yours, with a PostgreSQL server of yours.

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

module "service_discovery" {
  source = "../../modules/service-discovery"

  namespace_name = var.namespace_name
  vpc_id         = var.vpc_id
}

module "mlflow" {
  source = "../../modules/mlflow"

  cluster_arn               = aws_ecs_cluster.this.arn
  vpc_id                    = var.vpc_id
  subnet_ids                = var.private_subnet_ids
  image                     = var.mlflow_image
  registry                  = module.service_discovery.mlflow_registry
  allowed_hosts             = [module.service_discovery.mlflow_host]
  database_url_secret_arn   = var.mlflow_database_url_secret_arn
  client_security_group_ids = { gateway = module.gateway.security_group_id }
  egress_rules              = { database = { port = 5432, security_group_id = var.database_security_group_id } }
}

module "gateway" {
  source = "../../modules/gateway"

  cluster_arn    = aws_ecs_cluster.this.arn
  create_service = var.create_gateway_service
  vpc_id         = var.vpc_id
  subnet_ids     = var.private_subnet_ids
  image          = var.gateway_image

  public_name              = var.public_name
  certificate_arn          = var.certificate_arn
  hosted_zone_id           = var.hosted_zone_id
  load_balancer_subnet_ids = var.private_subnet_ids
  client_cidr_blocks       = var.client_cidr_blocks

  upstream_url            = module.service_discovery.upstream_url
  upstream_host_header    = module.service_discovery.mlflow_host
  database_url_secret_arn = var.gateway_database_url_secret_arn
  first_key_sha256        = var.first_key_sha256
  deployment_alarm_names  = module.observability.deployment_alarm_names

  egress_rules = {
    mlflow   = { port = module.mlflow.port, security_group_id = module.mlflow.security_group_id }
    database = { port = 5432, security_group_id = var.database_security_group_id }
  }
}

module "observability" {
  source = "../../modules/observability"

  service           = "headgate"
  log_group_name    = module.gateway.log_group_name
  documentation_url = var.documentation_url

  ecs = {
    cluster_name       = aws_ecs_cluster.this.name
    service_name       = "headgate"
    container_insights = true
  }
  load_balancer = {
    arn_suffix    = module.gateway.load_balancer_arn_suffix
    target_groups = { gate = module.gateway.target_group_arn_suffix }
  }
}

# The database lets both in. Without this rule tasks start, and cannot read their stores.
resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each = {
    gateway = module.gateway.security_group_id
    mlflow  = module.mlflow.security_group_id
  }

  security_group_id            = var.database_security_group_id
  description                  = "PostgreSQL from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}
