/** A parsed command -> its result. */
import type { CommandResult, StageTools } from '../stage.js';
import type { Command } from './arguments.js';
import { runOnLake } from './lake-commands.js';
import { runExplain, runModel, runStage, runStandalone, runTool, runVerify } from './stages.js';

/** A command that does something, not one that only prints information. */
export type Action = Exclude<Command, { kind: 'help' | 'version' }>;

export function perform(action: Action, tools: StageTools): Promise<CommandResult> {
  const { options } = action;
  switch (action.kind) {
    case 'stage':
      return (action.standalone ? runStandalone : runStage)(action.stage, options, tools);
    case 'lake':
      return runOnLake(action.name, options, tools);
    case 'tool':
      return runTool(action.tool, options, tools);
    case 'verify':
      return runVerify(options, tools);
    case 'explain':
      return runExplain(action.promptId, options);
    case 'model':
      return runModel(action.action, action.path, options, tools);
  }
}
