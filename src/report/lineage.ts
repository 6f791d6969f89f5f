/** Stages as OpenLineage run events: https://openlineage.io/spec/2-0-2/OpenLineage.json */
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { DareError, messageOf } from '../errors.js';
import { fileError } from '../lake/file-error.js';
import { refuseForeign } from '../lake/own-file.js';
import { packageVersion } from '../paths.js';
import type { Logger, StageObserver, StageOutcome, StageScope } from '../stage.js';
import { type Dataset, datasetsOf } from './datasets.js';

const specification = 'https://openlineage.io/spec';
const jobNamespace = 'dare';
const firstBytes = '{"eventType":';
const failure = 'the lineage could not be written';
/** A package URL: what wrote the event. */
const producer = `pkg:npm/dare@${packageVersion()}`;

type Facet = Record<string, unknown>;

/** A run of a stage that has begun. */
interface Run {
  scope: StageScope;
  runId: string;
  parent: Run | undefined;
  inputs: Dataset[];
}

/** Appends events to a file, one a line: START, then COMPLETE, FAIL or ABORT. */
export class LineageFile implements StageObserver {
  private readonly runs: Run[] = [];
  private warned = false;

  private constructor(
    private readonly file: string,
    private readonly log: Logger,
  ) {}

  /** @throws inputError where the file holds something else; runError where it can't be written */
  static open(file: string, log: Logger): LineageFile {
    refuseForeign('--lineage-file', file, { begins: firstBytes, is: 'holds no events', failure });
    return new LineageFile(file, log);
  }

  async begin(scope: StageScope): Promise<void> {
    const run: Run = { scope, runId: randomUUID(), parent: this.runs.at(-1), inputs: [] };
    this.runs.push(run);
    run.inputs = await this.describe(inputsOf(scope));
    this.append(run, 'START', { inputs: run.inputs, outputs: [] });
  }

  async end(scope: StageScope, outcome: StageOutcome): Promise<void> {
    const run = this.runs.find((begun) => begun.scope === scope);
    if (run === undefined) return;
    this.runs.splice(this.runs.indexOf(run), 1);
    const { inputs } = run;
    if ('result' in outcome) {
      const { files, rows } = outcome.result;
      // those of the stages within it are told by them
      const outputs = scope.inputs === undefined ? [] : await this.describe(Promise.resolve(files));
      this.append(run, 'COMPLETE', { inputs, outputs, rows });
    } else if (outcome.interrupted) this.append(run, 'ABORT', { inputs, outputs: [] });
    else this.append(run, 'FAIL', { inputs, outputs: [], error: messageOf(outcome.error) });
  }

  /** What can't be read is the stage's to report. */
  private async describe(files: Promise<readonly string[]>): Promise<Dataset[]> {
    try {
      return await datasetsOf(await files);
    } catch (error) {
      if (!(error instanceof DareError)) throw error;
      this.log.debug({ err: error }, 'the lineage knows no files');
      return [];
    }
  }

  private append(
    { scope, runId, parent }: Run,
    eventType: 'START' | 'COMPLETE' | 'FAIL' | 'ABORT',
    {
      inputs,
      outputs,
      rows = 0,
      error,
    }: { inputs: Dataset[]; outputs: Dataset[]; rows?: number; error?: string },
  ): void {
    const event = {
      eventType,
      eventTime: new Date().toISOString(),
      run: { runId, facets: runFacets(parent, error) },
      job: jobOf(scope),
      inputs: inputs.map((dataset) => ({ ...described(dataset), ...inputFacets(dataset) })),
      outputs: outputs.map((dataset) => ({
        ...described(dataset),
        outputFacets: {
          outputStatistics: facet('1-0-1', 'OutputStatisticsOutputDatasetFacet', {
            ...{ rowCount: rows, size: dataset.bytes ?? 0 },
          }),
        },
      })),
      producer,
      schemaURL: `${specification}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
    };
    try {
      appendFileSync(this.file, `${JSON.stringify(event)}\n`);
    } catch (cause) {
      // a disk that is full must not cost the run; once is enough to say so
      if (!this.warned) this.log.warn({}, fileError(cause, failure, this.file).message);
      this.warned = true;
    }
  }
}

function inputsOf({ inputs }: StageScope): Promise<readonly string[]> {
  return inputs?.() ?? Promise.resolve([]);
}

function jobOf({ stage }: StageScope): { namespace: string; name: string } {
  return { namespace: jobNamespace, name: stage };
}

function runFacets(parent: Run | undefined, error: string | undefined): Record<string, Facet> {
  return {
    ...(parent === undefined
      ? {}
      : {
          parent: facet('1-0-1', 'ParentRunFacet', {
            run: { runId: parent.runId },
            job: jobOf(parent.scope),
          }),
        }),
    ...(error === undefined
      ? {}
      : {
          errorMessage: facet('1-0-0', 'ErrorMessageRunFacet', {
            message: error,
            programmingLanguage: 'JavaScript',
          }),
        }),
  };
}

function described({ name, uri, fields, partition }: Dataset) {
  const identifier = [{ column: 'partition', value: partition }];
  return {
    namespace: 'file',
    name,
    facets: {
      dataSource: facet('1-0-1', 'DatasourceDatasetFacet', { name: 'file', uri }),
      ...(fields === undefined ? {} : { schema: facet('1-0-0', 'SchemaDatasetFacet', { fields }) }),
      ...(partition === undefined
        ? {}
        : {
            partitioning: facet('1-0-0', 'PartitionDatasetFacet', {
              columns: [{ columnName: 'partition' }],
              partitions: [{ identifier }],
            }),
          }),
    },
  };
}

/** Nothing where neither is known. */
function inputFacets({ rows, bytes }: Dataset): { inputFacets?: Record<string, Facet> } {
  if (rows === undefined && bytes === undefined) return {};
  const known = {
    ...(rows === undefined ? {} : { rowCount: rows }),
    ...(bytes === undefined ? {} : { size: bytes }),
  };
  return { inputFacets: { inputStatistics: facet('1-0-0', 'InputStatisticsInputDatasetFacet', known) } };
}

function facet(version: string, name: string, fields: Record<string, unknown>): Facet {
  const schema = `${specification}/facets/${version}/${name}.json#/$defs/${name}`;
  return { _producer: producer, _schemaURL: schema, ...fields };
}
