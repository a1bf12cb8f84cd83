// cloche version
#include "cloche/version.h"

#include "cli/command.h"
#include "cli/say.h"

namespace cloche::cli {

int version_command(const Invocation& invocation) {
  if (!invocation.arguments.empty()) return complain({ErrorCode::kInvalidArgument, 0, "version takes no arguments"});
  print(std::string("cloche ").append(version()).append("\n"));
  return 0;
}

}  // namespace cloche::cli
