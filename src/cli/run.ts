import { checkEngine } from "../engine-features.js";
import type { ParsedCommand } from "./commands.js";
import { hostPermissionSource } from "./host-permissions.js";
import { loadProgram } from "./load-program.js";
import { checkGrants, decidePermissions } from "./permissions.js";

/** `gojit run`: the guest's exit status. @throws GojitError if the program cannot run. */
export async function runCommand(parsed: ParsedCommand): Promise<number> {
  checkEngine();
  const program = loadProgram(parsed.words[0]!);
  const source = hostPermissionSource(program.realPath);
  checkGrants(parsed.options.directories, source);
  const permissions = decidePermissions(parsed.options, source);
  throw new Error(`no machine to run ${program.path} with ${permissions.mounts.length} mounts`);
}
