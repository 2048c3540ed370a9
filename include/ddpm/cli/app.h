// The command line: one file a subcommand, each with its options, its set-up and its run. The only
// folder that knows CLI11.
#pragma once

namespace ddpm {

// Parses the arguments, runs the command and returns the exit code. Errors are printed, never
// thrown.
int run_command_line(int argc, char** argv);

}  // namespace ddpm
