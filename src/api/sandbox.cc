#include "cloche/sandbox.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "api/plan.h"
#include "api/sandbox_start.h"
#include "sandbox/cgroup.h"
#include "sandbox/control_client.h"
#include "sandbox/exec_client.h"
#include "sandbox/home.h"
#include "sandbox/life.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using sandbox::Clock;
using sandbox::Home;

constexpr const char* kKelpieGuest = "/usr/local/bin/kelpie-guest";  // Where kelpie's root file systems have it.
constexpr auto kLook = 2ms;  // A process whose socket is closed is gone within moments.
constexpr auto kKillPatience = 2s;

// Who starts it later has another working directory.
void make_absolute(std::string& path) {
  std::error_code error;
  if (!path.empty()) path = std::filesystem::absolute(path, error).string();
}

Result<void> wait_for_release(const std::string& run_directory, Clock::time_point deadline) {
  while (sandbox::is_alive(run_directory)) {
    if (Clock::now() >= deadline) return fail(ErrorCode::kTimeout, "its VM's process does not end");
    std::this_thread::sleep_for(kLook);
  }
  sandbox::remove_cgroup(run_directory);  // Where the process could not.
  return {};
}

// Asks its process to end, and waits until that is gone; again where the process is just beginning anew, which has no
// socket for a moment. kTimeout: it has not.
Result<void> ask_to_end(const std::string& run, const std::function<Result<void>(sandbox::ControlClient&)>& ask,
                        Clock::time_point deadline) {
  for (;;) {
    auto control = sandbox::ControlClient::connect(run);
    auto asked = control ? ask(*control) : std::unexpected(control.error());
    if (asked && !TRY(control->wait_for_end(deadline))) return fail(ErrorCode::kTimeout, "it has not ended yet");
    if (asked) return {};
    if (asked.error().code != ErrorCode::kUnavailable) return asked;
    if (!sandbox::is_alive(run)) return {};
    if (Clock::now() >= deadline) return fail(ErrorCode::kTimeout, "its VM's process does not answer");
    std::this_thread::sleep_for(kLook);
  }
}

// An error about a sandbox, with its name in front.
template <typename T>
Result<T> about(const std::string& name, Result<T> result) {
  if (!result) return std::unexpected(std::move(result).error().in("sandbox " + name));
  return result;
}

template <typename T>
Result<T> about(const SandboxInfo& info, Result<T> result) {
  return about(info.name, std::move(result));
}

}  // namespace

Exec::Exec(std::unique_ptr<ExecClient> client) : client_(std::move(client)) {}
Exec::Exec(Exec&&) noexcept = default;
Exec& Exec::operator=(Exec&&) noexcept = default;
Exec::~Exec() = default;
Result<std::optional<ExecOutcome>> Exec::serve(int until) { return client_->serve(until); }
Result<void> Exec::signal(int number) { return client_->signal(number); }
Result<void> Exec::resize(TerminalSize size) { return client_->resize(size); }

Result<ExecOutcome> Exec::wait() {
  auto outcome = TRY(client_->serve(-1));
  if (!outcome) return fail(ErrorCode::kInternal, "waiting for a command ended before the command");
  return std::move(*outcome);
}

Result<Sandbox> Sandbox::create(SandboxConfig config, const std::string& home) {
  Home place = TRY(Home::open(home));
  if (config.name.empty()) config.name = sandbox::make_name();
  TRY(sandbox::check_name(config.name));
  for (Share& share : config.vm.shares) make_absolute(share.host_path);
  for (Network& network : config.vm.networks)
    if (network.kind != NetworkKind::kTap) make_absolute(network.path);
  for (Disk& disk : config.vm.disks) {
    make_absolute(disk.path);
    make_absolute(disk.backing_path);
  }
  make_absolute(config.vm.root.path);
  make_absolute(config.vm.kernel_path);
  make_absolute(config.vm.console_path);
  make_absolute(config.vm.installation);
  if (config.kelpie) make_absolute(config.kelpie->socket_path);
  if (config.kelpie && config.kelpie->server == KelpieServer::kCommand && config.vm.arguments.empty())
    config.vm.arguments = {kKelpieGuest};
  if (config.vm.hostname == Config{}.hostname) config.vm.hostname = config.name;
  TRY(plan_sandbox(config));
  sandbox::Record record{sandbox::make_id(), sandbox::realtime_now_ns(), std::move(config)};
  Fd lock = TRY(place.lock());
  TRY(place.add(record));
  place.tell(record, "created");
  return Sandbox(place.path(), record.id);
}

Result<Sandbox> Sandbox::open(const std::string& name, const std::string& home) {
  Home place = TRY(Home::open(home));
  std::string id = TRY(place.find(name));
  return Sandbox(place.path(), std::move(id));
}

Result<std::vector<Sandbox>> list_sandboxes(const std::string& home) {
  Home place = TRY(Home::open(home));
  std::vector<std::pair<uint64_t, std::string>> found;
  for (std::string& id : TRY(place.ids())) {
    auto record = place.record(id);
    // One whose record cannot be read is there all the same; one that was removed meanwhile is not.
    if (record || record.error().code != ErrorCode::kNotFound)
      found.emplace_back(record ? record->created_ns : 0, std::move(id));
  }
  std::ranges::sort(found);
  std::vector<Sandbox> all;
  for (auto& [created, id] : found) all.push_back(Sandbox(place.path(), std::move(id)));
  return all;
}

Result<SandboxInfo> Sandbox::info() const { return TRY(Home::open(home_)).info(id_); }

Result<void> Sandbox::start(Deadline deadline) {
  auto until = Clock::now() + deadline;
  Home place = TRY(Home::open(home_));
  SandboxInfo before = TRY(place.info(id_));
  if (sandbox::is_live(before.status))
    return about(before, Result<void>(fail(ErrorCode::kInvalidArgument,
                                           fmt::format("start it: it is {}", name_of(before.status)))));
  TRY(about(before, wait_for_release(place.run_directory(id_), until)));  // Its process may still be on its way out.
  return about(before, start_sandbox(place, before, until));
}

Result<void> Sandbox::stop(std::optional<std::chrono::milliseconds> grace, Deadline deadline) {
  auto until = Clock::now() + deadline;
  Home place = TRY(Home::open(home_));
  SandboxInfo before = TRY(place.info(id_));
  std::string run = place.run_directory(id_);
  if (!sandbox::is_live(before.status)) return {};  // As wanted.
  auto grace_ms = std::clamp<int64_t>(grace.value_or(before.config.stop_grace).count(), 0, UINT32_MAX);
  auto ask = [&](sandbox::ControlClient& control) {
    return control.ask(wire::ControlFrame::kStop, static_cast<uint32_t>(grace_ms), until);
  };
  TRY(about(before, ask_to_end(run, ask, until)));
  return about(before, wait_for_release(run, until));
}

Result<void> Sandbox::kill(Deadline deadline) {
  auto until = Clock::now() + deadline;
  Home place = TRY(Home::open(home_));
  SandboxInfo before = TRY(place.info(id_));
  if (!sandbox::is_live(before.status)) return {};
  std::string run = place.run_directory(id_);
  auto patience = std::min<Clock::time_point>(until, Clock::now() + kKillPatience);
  auto ask = [&](sandbox::ControlClient& control) { return control.ask(wire::ControlFrame::kKill, patience); };
  // The number is its process's as long as that has its life; it could only be another's in the moment between.
  if (auto done = ask_to_end(run, ask, patience); !done && before.pid > 1 && sandbox::is_alive(run))
    ::kill(before.pid, SIGKILL);
  return about(before, wait_for_release(run, until));
}

Result<SandboxInfo> Sandbox::wait(std::optional<Deadline> deadline) const {
  auto until = deadline ? Clock::now() + *deadline : Clock::time_point::max();
  Home place = TRY(Home::open(home_));
  std::string run = place.run_directory(id_);
  SandboxInfo info = TRY(place.info(id_));
  while (sandbox::is_live(info.status)) {
    auto control = sandbox::ControlClient::connect(run);
    // Without a socket it has not come to that yet, or has just ended.
    if (control && !TRY(control->wait_for_end(until)))
      return fail(ErrorCode::kTimeout, fmt::format("sandbox {}: it still runs", info.name));
    if (!control) std::this_thread::sleep_for(kLook);
    if (Clock::now() >= until) return fail(ErrorCode::kTimeout, fmt::format("sandbox {}: it still runs", info.name));
    info = TRY(place.info(id_));
  }
  TRY(about(info, wait_for_release(run, until)));
  return info;
}

Result<void> Sandbox::command(uint16_t request, std::optional<uint32_t> number, Deadline deadline) const {
  auto until = Clock::now() + deadline;
  Home place = TRY(Home::open(home_));
  SandboxInfo before = TRY(place.info(id_));
  auto type = static_cast<wire::ControlFrame>(request);
  auto asked = [&]() -> Result<void> {
    auto control = TRY(sandbox::ControlClient::connect(place.run_directory(id_)));
    return number ? control.ask(type, *number, until) : control.ask(type, until);
  };
  return about(before, asked());
}

Result<void> Sandbox::pause(Deadline deadline) {
  return command(static_cast<uint16_t>(wire::ControlFrame::kPause), {}, deadline);
}

Result<void> Sandbox::resume(Deadline deadline) {
  return command(static_cast<uint16_t>(wire::ControlFrame::kResume), {}, deadline);
}

Result<void> Sandbox::signal(int number, Deadline deadline) {
  if (number < 1 || number > SIGRTMAX)
    return fail(ErrorCode::kInvalidArgument, fmt::format("signal {}: there is no such signal", number));
  return command(static_cast<uint16_t>(wire::ControlFrame::kSignal), static_cast<uint32_t>(number), deadline);
}

Result<void> Sandbox::rename(const std::string& name) {
  TRY(sandbox::check_name(name));
  Home place = TRY(Home::open(home_));
  Fd lock = TRY(place.lock());
  sandbox::Record record = TRY(place.record(id_));
  std::string old_name = std::exchange(record.config.name, name);
  TRY(place.rewrite(record));
  if (old_name != name) place.tell(record, "renamed", {{"old_name", std::move(old_name)}});
  return {};
}

Result<void> Sandbox::remove() {
  Home place = TRY(Home::open(home_));
  Fd lock = TRY(place.lock());
  SandboxInfo before = TRY(place.info(id_));
  // Its life, too, so that nobody starts it while it goes.
  auto life = sandbox::take_life(place.run_directory(id_));
  if (!life && life.error().code == ErrorCode::kUnavailable)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("sandbox {}: remove it: it is {}; stop it first", before.name, name_of(before.status)));
  sandbox::remove_cgroup(place.run_directory(id_));
  sandbox::Record record{.id = id_, .created_ns = before.created_ns, .config = std::move(before.config)};
  TRY(place.remove(id_));
  place.tell(record, "removed");
  return {};
}

// Only its record is read: whether it runs, connecting to its process shows.
Result<Exec> Sandbox::exec(ExecConfig config, Deadline deadline) const {
  auto until = Clock::now() + deadline;
  Home place = TRY(Home::open(home_));
  sandbox::Record record = TRY(place.record(id_));
  const std::string& name = record.config.name;
  wire::Exec exec = TRY(about(name, plan_exec(record.config.vm, config)));
  auto peer = TRY(about(name, sandbox::greet_agent(place.run_directory(id_), until)));
  return Exec(TRY(about(name, ExecClient::start(std::move(peer), exec, std::move(config), until))));
}

Result<void> Sandbox::ping(Deadline deadline) const {
  auto until = Clock::now() + deadline;
  Home place = TRY(Home::open(home_));
  SandboxInfo info = TRY(place.info(id_));
  auto answered = [&]() -> Result<void> {
    auto peer = TRY(sandbox::greet_agent(place.run_directory(id_), until));
    TRY(peer.send(wire::encode_bytes(wire::AgentFrame::kPing, {})));
    if (TRY(sandbox::receive(peer, until)).type != wire::AgentFrame::kPong)
      return fail(ErrorCode::kGuest, "the guest's agent did not answer a ping");
    return {};
  };
  return about(info, answered());
}

}  // namespace cloche
