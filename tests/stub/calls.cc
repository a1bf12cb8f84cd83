// Every call of the C++ interface that needs a VM, in a stub: it says that it is one, and the program goes on.
//   stub_calls HOME SANDBOX
#include <fcntl.h>
#include <fmt/format.h>

#include "base/fd.h"
#include "cloche/attach.h"
#include "cloche/files.h"
#include "cloche/held_installation.h"
#include "cloche/pool.h"
#include "cloche/pool_service.h"
#include "cloche/provider.h"
#include "cloche/sandbox.h"
#include "cloche/statistics.h"

namespace cloche {
namespace {

int passed = 0, failed = 0;

void expect(const char* call, bool good, const std::string& got) {
  ++(good ? passed : failed);
  if (!good) fmt::print("{}: {}\n", call, got);
}

template <typename T>
void refused(const char* call, const Result<T>& result) {
  bool good = !result && result.error().code == ErrorCode::kUnsupported && result.error().what.contains("as a stub");
  expect(call, good, result ? "is done" : result.error().message());
}

template <typename T>
void works(const char* call, const Result<T>& result) {
  expect(call, result.has_value(), result ? "" : result.error().message());
}

void try_making(const std::string& home) {
  refused("Vm::create", Vm::create({.arguments = {"true"}}));
  refused("HeldInstallation::hold", HeldInstallation::hold());
  refused("Sandbox::create", Sandbox::create({}, home));
  refused("Pool::create", Pool::create({.home = home}));
  refused("PoolService::create", PoolService::create({.name = "served", .home = home}));
  refused("Provider::create", Provider::create({.pool = {.home = home}}));
}

void try_sandbox(Sandbox& sandbox) {
  Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  refused("start", sandbox.start());
  refused("pause", sandbox.pause());
  refused("resume", sandbox.resume());
  refused("signal", sandbox.signal(15));
  refused("exec", sandbox.exec({.arguments = {"true"}}));
  refused("ping", sandbox.ping());
  refused("copy_in", sandbox.copy_in("/etc/passwd", "/tmp"));
  refused("copy_out", sandbox.copy_out("/etc/passwd", "copied"));
  refused("unpack", sandbox.unpack(null.get(), "/tmp"));
  refused("pack", sandbox.pack("/etc", null.get()));
  refused("Attachment::create", Attachment::create(sandbox, {}));
  refused("read_statistics", read_statistics(sandbox));
}

void try_files(const Sandbox& sandbox) {
  Files files(sandbox);
  Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  refused("Files::read", files.read("/etc/passwd"));
  refused("Files::read_to", files.read_to(null.get(), "/etc/passwd"));
  refused("Files::write", files.write("/tmp/x", "x"));
  refused("Files::write_from", files.write_from(null.get(), "/tmp/x"));
  refused("Files::status", files.status("/tmp"));
  refused("Files::list", files.list("/tmp"));
  refused("Files::make_directory", files.make_directory("/tmp/x"));
  refused("Files::move", files.move("/tmp/x", "/tmp/y"));
  refused("Files::remove", files.remove("/tmp/x"));
}

void try_pool(const std::string& home, const std::string& sandbox) {
  PoolClient pool("served", home);
  refused("PoolClient::acquire", pool.acquire());
  refused("PoolClient::release", pool.release(sandbox));
  refused("PoolClient::status", pool.status());
}

// What needs none.
void try_the_rest(Sandbox& sandbox, const std::string& home) {
  works("list_sandboxes", list_sandboxes(home));
  works("info", sandbox.info());
  works("rename", sandbox.rename("renamed"));
  works("stop", sandbox.stop());
  works("kill", sandbox.kill());
  works("wait", sandbox.wait());
  works("remove", sandbox.remove());
}

int try_all(const std::string& home, const std::string& name) {
  auto sandbox = Sandbox::open(name, home);
  works("open", sandbox);
  if (!sandbox) return 1;
  try_making(home);
  try_sandbox(*sandbox);
  try_files(*sandbox);
  try_pool(home, name);
  try_the_rest(*sandbox, home);
  fmt::print("{} calls\n", passed + failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace cloche

int main(int argc, char** argv) { return argc == 3 ? cloche::try_all(argv[1], argv[2]) : 2; }
