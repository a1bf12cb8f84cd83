// cloche cp: files between the host and a sandbox.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/say.h"
#include "cloche/sandbox.h"

namespace cloche::cli {
namespace {

constexpr const char* kStream = "-";

// NAME:PATH; a path of the host has no colon before its first slash.
struct Side {
  std::string sandbox;  // Empty: the host.
  std::string path;
};

Side parse_side(const std::string& text) {
  size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || text.find('/') < colon) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

Result<void> copy(const Side& from, const Side& to, const std::string& home, CopyOwners owners) {
  bool goes_in = from.sandbox.empty();
  auto sandbox = Sandbox::open(goes_in ? to.sandbox : from.sandbox, home);
  if (!sandbox) return std::unexpected(std::move(sandbox).error());
  const std::string& guest_path = goes_in ? to.path : from.path;
  if (!guest_path.starts_with('/'))
    return fail(ErrorCode::kInvalidArgument, "cp: '" + guest_path + "' must be an absolute path of the guest");
  if (goes_in && from.path == kStream) return sandbox->unpack(STDIN_FILENO, guest_path, owners);
  if (goes_in) return sandbox->copy_in(from.path, guest_path, owners);
  if (to.path == kStream) return sandbox->pack(guest_path, STDOUT_FILENO);
  return sandbox->copy_out(guest_path, to.path, owners);
}

}  // namespace

int cp_command(const Invocation& invocation) {
  std::string home;
  bool archive = false;
  CLI::App app(
      "Copies a file or a tree between the host and a running sandbox: cloche cp FROM TO, one of the two NAME:PATH.\n"
      "Into a directory it goes under its own name; '-' is a tar stream on standard input or output.",
      "cp");
  set_style(app, "[FLAGS] FROM TO");
  app.add_flag("-a,--archive", archive, "Keep owners and set-user-ID bits as well")->group("Flags");
  add_home_flag(app, home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  if ((*parsed)->size() != 2)
    return complain(
        {ErrorCode::kInvalidArgument, 0, "cp takes two places: cloche cp FILE NAME:/PATH, or the other way"});
  Side from = parse_side((**parsed)[0]), to = parse_side((**parsed)[1]);
  if (from.sandbox.empty() == to.sandbox.empty())
    return complain({ErrorCode::kInvalidArgument, 0, "cp: one of the two places must be NAME:/PATH, and only one"});
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  auto copied = copy(from, to, home, archive ? CopyOwners::kKept : CopyOwners::kDestination);
  return copied ? 0 : complain(copied.error());
}

}  // namespace cloche::cli
