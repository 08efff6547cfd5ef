import { Duration, Fn, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import * as mq from 'aws-cdk-lib/aws-amazonmq'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import * as rds from 'aws-cdk-lib/aws-rds'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import { OWNERS, type OwnerName, type Settings } from './setting.ts'

const POSTGRES_PORT = 5432
const AMQPS_PORT = 5671

type DataProps = StackProps & { settings: Settings; vpc: ec2.Vpc }

/** What must outlive everything else: the databases, the broker, and the secrets that open them. */
export class Data extends Stack {
  readonly database: rds.DatabaseCluster
  /** Of each service's own role. */
  readonly databaseSecrets: Record<OwnerName, ISecret>
  readonly adminSecret: ISecret
  readonly brokerSecret: ISecret
  /** `amqps://comanda@host:5671`: the password comes apart. */
  readonly brokerUrl: string
  /** Who is in these groups may connect. They belong here, so that the services never change a rule of the data. */
  readonly databaseClients: ec2.SecurityGroup
  readonly brokerClients: ec2.SecurityGroup

  constructor(scope: Construct, id: string, props: DataProps) {
    super(scope, id, { ...props, terminationProtection: props.settings.size.keepsData })
    const { vpc, settings } = props
    const clients = (name: string) => new ec2.SecurityGroup(this, name, { vpc, allowAllOutbound: false, description: `${name} of Comanda` })
    this.databaseClients = clients('DatabaseClients')
    this.brokerClients = clients('BrokerClients')
    this.database = this.makeDatabase(vpc, settings)
    this.database.connections.allowDefaultPortFrom(this.databaseClients)
    this.adminSecret = this.database.secret ?? raise('the cluster has no secret')
    this.databaseSecrets = Object.fromEntries(
      OWNERS.map((owner) => [owner, this.makeSecret(`Database-${owner}`, owner)]),
    ) as unknown as Record<OwnerName, ISecret>
    const broker = this.makeBroker(vpc, settings)
    this.brokerSecret = broker.secret
    this.brokerUrl = broker.url
  }

  private makeSecret(id: string, username: string): Secret {
    return new Secret(this, id, {
      generateSecretString: {
        secretStringTemplate: JSON.stringify({ username }),
        generateStringKey: 'password',
        excludePunctuation: true,
        passwordLength: 40,
      },
    })
  }

  private makeDatabase(vpc: ec2.Vpc, { size }: Settings): rds.DatabaseCluster {
    const engine = rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_17_7 })
    return new rds.DatabaseCluster(this, 'Database', {
      engine,
      vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      port: POSTGRES_PORT,
      credentials: rds.Credentials.fromGeneratedSecret('comanda', { excludeCharacters: ' %+~`#$&*()|[]{}:;<>?!\'/@"\\' }),
      writer: rds.ClusterInstance.serverlessV2('writer', { publiclyAccessible: false, enablePerformanceInsights: true }),
      readers: Array.from({ length: size.database.readers }, (_, i) =>
        // It takes over when the writer fails, so it is as large as the writer.
        rds.ClusterInstance.serverlessV2(`reader${i + 1}`, {
          publiclyAccessible: false,
          scaleWithWriter: true,
          enablePerformanceInsights: true,
        }),
      ),
      serverlessV2MinCapacity: size.database.leastAcu,
      serverlessV2MaxCapacity: size.database.mostAcu,
      // Thousands of commits a second at a price for each write would cost more than all the rest.
      storageType: size.database.ioOptimized ? rds.DBClusterStorageType.AURORA_IOPT1 : rds.DBClusterStorageType.AURORA,
      storageEncrypted: true,
      iamAuthentication: true,
      parameters: { 'rds.force_ssl': '1', log_min_duration_statement: '1000' },
      backup: { retention: Duration.days(size.database.backupDays) },
      cloudwatchLogsExports: ['postgresql'],
      deletionProtection: size.keepsData,
      removalPolicy: size.keepsData ? RemovalPolicy.SNAPSHOT : RemovalPolicy.DESTROY,
    })
  }

  private makeBroker(vpc: ec2.Vpc, { name, size }: Settings): { url: string; secret: Secret } {
    const group = new ec2.SecurityGroup(this, 'BrokerGroup', { vpc, allowAllOutbound: false, description: 'The broker' })
    group.addIngressRule(this.brokerClients, ec2.Port.tcp(AMQPS_PORT), 'AMQP over TLS from the services')
    this.brokerClients.addEgressRule(group, ec2.Port.tcp(AMQPS_PORT), 'AMQP over TLS to the broker')
    const secret = this.makeSecret('BrokerUser', 'comanda')
    const subnets = vpc.selectSubnets({ subnetType: ec2.SubnetType.PRIVATE_ISOLATED }).subnetIds
    const isCluster = size.broker.mode === 'CLUSTER_MULTI_AZ'
    const broker = new mq.CfnBroker(this, 'Broker', {
      brokerName: `${name}-broker`,
      engineType: 'RABBITMQ',
      // Quorum queues by default. RabbitMQ 4 runs on m7g only, which nothing checks before it is deployed.
      engineVersion: '4.2',
      hostInstanceType: size.broker.instance,
      deploymentMode: size.broker.mode,
      publiclyAccessible: false,
      autoMinorVersionUpgrade: true,
      subnetIds: isCluster ? subnets : subnets.slice(0, 1),
      securityGroups: [group.securityGroupId],
      users: [{ username: 'comanda', password: secret.secretValueFromJson('password').unsafeUnwrap() }],
      logs: { general: true },
      maintenanceWindowStartTime: { dayOfWeek: 'TUESDAY', timeOfDay: '03:00', timeZone: 'UTC' },
    })
    const endpoint = Fn.select(0, broker.attrAmqpEndpoints)
    return { secret, url: Fn.join('', ['amqps://comanda@', Fn.select(1, Fn.split('://', endpoint))]) }
  }
}

function raise(why: string): never {
  throw new Error(why)
}
