# The gate alone, in front of an MLflow that runs already, wherever it is.

module "gateway" {
  source = "../../modules/gateway"

  cluster_arn    = var.cluster_arn
  create_service = var.create_service
  vpc_id         = var.vpc_id
  subnet_ids     = var.subnet_ids
  image          = var.image

  public_name              = var.public_name
  certificate_arn          = var.certificate_arn
  load_balancer_subnet_ids = var.subnet_ids
  client_cidr_blocks       = var.client_cidr_blocks

  upstream_url            = var.mlflow_url
  database_url_secret_arn = var.database_url_secret_arn

  egress_rules = {
    mlflow   = { port = var.mlflow_port, security_group_id = var.mlflow_security_group_id }
    database = { port = 5432, cidr_ipv4 = var.database_cidr_block }
  }
}

resource "aws_vpc_security_group_ingress_rule" "mlflow" {
  security_group_id            = var.mlflow_security_group_id
  description                  = "MLflow from the gate"
  referenced_security_group_id = module.gateway.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.mlflow_port
  to_port                      = var.mlflow_port
}
