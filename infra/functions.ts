import { Duration, Size } from 'aws-cdk-lib';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { Architecture, type Code, Function as LambdaFunction, LoggingFormat, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Deployment } from '../src/environment/deployment.ts';
import { FEW_ARENAS, SIZES, type Step, YOUNG_GENERATION } from '../src/environment/steps.ts';
import type { Network } from './network.ts';

export interface FunctionProps {
  readonly name: string;
  /** The file of functions/, without its extension. */
  readonly step: string;
  readonly description: string;
  readonly size: Step['size'];
  readonly environment: string;
  readonly code: Code;
  readonly role: IRole;
  readonly logGroup: ILogGroup;
  readonly network: Network | undefined;
  readonly given: NonNullable<Deployment['functions']>[string] | undefined;
  /** Metrics are read from lines that Lambda leaves as they are. */
  readonly plainLogs?: boolean;
}

/** One step as a function on AWS. */
export const stepFunction = (scope: Construct, props: FunctionProps): LambdaFunction => {
  const size = SIZES[props.size];
  return new LambdaFunction(scope, props.step, {
    functionName: props.name,
    description: props.description,
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    code: props.code,
    handler: `${props.step}.handler`,
    timeout: Duration.seconds(size.seconds),
    memorySize: props.given?.memoryMb ?? size.memoryMb,
    ephemeralStorageSize: Size.mebibytes(props.given?.temporaryMb ?? size.temporaryMb),
    ...(props.given?.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: props.given.reservedConcurrency }),
    role: props.role,
    logGroup: props.logGroup,
    loggingFormat: props.plainLogs === true ? LoggingFormat.TEXT : LoggingFormat.JSON,
    tracing: Tracing.ACTIVE,
    ...(props.network === undefined ? {} : { ...props.network }),
    environment: {
      LIFEBOAT_ENVIRONMENT_FILE: `/var/task/${props.environment}.json`,
      NODE_OPTIONS: `--enable-source-maps ${YOUNG_GENERATION}`,
      ...FEW_ARENAS,
      // Has the authorities of RDS, which Node does not know.
      NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
    },
  });
};
