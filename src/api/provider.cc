#include "cloche/provider.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <sstream>

#include "api/bounded_exec.h"
#include "api/pool_owner.h"
#include "api/sandbox_start.h"
#include "base/fd.h"
#include "base/printable.h"
#include "sandbox/home.h"

namespace cloche {
namespace {

constexpr size_t kMostAgentName = 256;
constexpr const char* kAgentLabel = "cloche.agent";

Result<void> check_agent(const std::string& agent) {
  if (!agent.empty() && agent.size() <= kMostAgentName && printable(agent) == agent) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("agent '{}': it needs a name of printable text, {} bytes at most", printable(agent), kMostAgentName));
}

// What the kernel says of a process (proc(5)); zeros where it is gone.
void measure(int pid, AgentStats& stats) {
  auto ms_per_tick = 1000 / std::max<int64_t>(::sysconf(_SC_CLK_TCK), 1);
  auto text = read_text_file(fmt::format("/proc/{}/stat", pid));
  if (pid <= 0 || !text) return;
  // Behind the name, which may hold anything: state is the third field, utime the 14th, rss the 24th.
  std::istringstream fields(text->substr(text->rfind(')') + 1));
  std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
  auto number = [&](size_t field) {
    return field - 3 < words.size() ? std::strtoll(words[field - 3].c_str(), nullptr, 10) : 0;
  };
  stats.cpu_time = std::chrono::milliseconds((number(14) + number(15)) * ms_per_tick);
  stats.memory_bytes = static_cast<uint64_t>(number(24)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

class ProviderState {
 public:
  explicit ProviderState(ProviderConfig config) : config_(std::move(config)) {}
  ~ProviderState() {
    for (auto& [name, agent] : agents_) end_agent(*agent);
  }
  ProviderState(const ProviderState&) = delete;
  ProviderState& operator=(const ProviderState&) = delete;

  Result<void> open();
  Result<ProviderResult> exec(const std::string& agent, const ProviderExec& exec);
  Result<void> health(const std::string& agent, std::chrono::milliseconds deadline);
  Result<AgentStats> stats(const std::string& agent);
  Result<void> destroy(const std::string& agent);

 private:
  struct Agent {
    std::mutex mutex;  // Of who starts or ends it. Commands run without.
    std::optional<Sandbox> sandbox;
    std::atomic<uint64_t> execs = 0;
    bool ended = false;  // It is not in agents_ any more.
  };
  Result<ProviderResult> run_shared(const ProviderExec& exec);
  Result<ProviderResult> run_once(const ProviderExec& exec);
  Result<std::shared_ptr<Agent>> enter(const std::string& name);
  Result<Sandbox> running_sandbox(const std::string& name, Agent& agent);
  Result<void> end_agent(Agent& agent);
  std::shared_ptr<Agent> find(const std::string& name);
  Result<Sandbox> make(const std::string& agent);

  ProviderConfig config_;
  std::optional<PoolOwner> owner_;  // In kShared it is the pool's.
  std::optional<Pool> pool_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Agent>> agents_;
};

Result<void> ProviderState::open() {
  PoolConfig& pool = config_.pool;
  if (config_.mode == ProviderMode::kShared) {
    pool_.emplace(TRY(Pool::create(pool)));
    return {};
  }
  bool is_named = !pool.name.empty();
  if (is_named) TRY(PoolOwner::check_name(pool.name));
  pool.home = TRY(sandbox::Home::open(pool.home)).path();
  if (!is_named) pool.name = sandbox::make_name();
  pool.sandbox.labels[kPoolLabel] = pool.name;
  TRY(plan_sandbox(pool.sandbox));
  if (is_named) owner_ = TRY(PoolOwner::take(pool.home, pool.name));
  return {};
}

Result<ProviderResult> ProviderState::exec(const std::string& agent, const ProviderExec& exec) {
  TRY(check_exec(exec));
  if (config_.mode == ProviderMode::kShared) return run_shared(exec);
  if (config_.mode == ProviderMode::kOneShot) return run_once(exec);
  TRY(check_agent(agent));
  for (;;) {
    auto entry = TRY(enter(agent));
    std::unique_lock lock(entry->mutex);
    if (entry->ended) continue;  // By destroy(), after we had found it.
    Sandbox sandbox = TRY(running_sandbox(agent, *entry));
    lock.unlock();
    ++entry->execs;
    return run_bounded(sandbox, exec, config_.pool.start_deadline);
  }
}

Result<ProviderResult> ProviderState::run_shared(const ProviderExec& exec) {
  Lease lease = TRY(pool_->acquire(config_.pool.start_deadline));
  auto result = run_bounded(lease.sandbox(), exec, config_.pool.start_deadline);
  bool is_ill = !result && (result.error().code == ErrorCode::kTimeout || result.error().code == ErrorCode::kGuest ||
                            result.error().code == ErrorCode::kUnavailable);
  if (is_ill) lease.discard();
  return result;
}

Result<ProviderResult> ProviderState::run_once(const ProviderExec& exec) {
  Sandbox sandbox = TRY(make({}));
  auto result = run_bounded(sandbox, exec, config_.pool.start_deadline);
  auto ended = end_sandbox(std::move(sandbox));
  if (result && !ended) return std::unexpected(std::move(ended).error());
  return result;
}

Result<Sandbox> ProviderState::make(const std::string& agent) {
  SandboxConfig config = config_.pool.sandbox;
  config.name = fmt::format("{}-{}", config_.pool.name, sandbox::make_id().substr(0, 6));
  if (!agent.empty()) config.labels[kAgentLabel] = agent;
  return make_running_sandbox(std::move(config), config_.pool.home, config_.pool.start_deadline);
}

std::shared_ptr<ProviderState::Agent> ProviderState::find(const std::string& name) {
  std::lock_guard lock(mutex_);
  auto found = agents_.find(name);
  return found == agents_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<ProviderState::Agent>> ProviderState::enter(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (auto found = agents_.find(name); found != agents_.end()) return found->second;
  if (agents_.size() >= config_.max_agents)
    return fail(ErrorCode::kUnavailable,
                fmt::format("agent {}: {} agents have sandboxes already; destroy one", name, agents_.size()));
  return agents_[name] = std::make_shared<Agent>();
}

// The caller holds the agent's lock. One that has ended is started again, with a fresh root.
Result<Sandbox> ProviderState::running_sandbox(const std::string& name, Agent& agent) {
  if (agent.sandbox) {
    auto info = agent.sandbox->info();
    if (!info && info.error().code == ErrorCode::kNotFound)
      agent.sandbox.reset();  // Somebody has removed it.
    else if (!info)
      return std::unexpected(std::move(info).error());
    else if (info->status == SandboxStatus::kPaused)
      return fail(ErrorCode::kUnavailable, fmt::format("agent {}: its sandbox {} is paused", name, info->name));
    else if (info->status != SandboxStatus::kRunning)
      TRY(agent.sandbox->start(config_.pool.start_deadline));
  }
  if (agent.sandbox) return *agent.sandbox;
  auto made = make(name);
  if (made) {
    agent.sandbox = *made;
    return made;
  }
  std::lock_guard lock(mutex_);  // It has nothing, so it takes no place.
  agent.ended = true;
  agents_.erase(name);
  return made;
}

Result<void> ProviderState::health(const std::string& agent, std::chrono::milliseconds deadline) {
  if (config_.mode == ProviderMode::kPerAgent) {
    auto entry = find(agent);
    if (!entry) return {};
    std::unique_lock lock(entry->mutex);
    auto sandbox = entry->sandbox;
    lock.unlock();
    return sandbox ? sandbox->ping(deadline) : Result<void>();
  }
  if (config_.mode == ProviderMode::kOneShot) return {};
  PoolStatus status = pool_->status();
  Result<void> last;
  for (const PooledSandbox& each : status.sandboxes) {
    if (each.state != PooledState::kReady) continue;
    auto sandbox = Sandbox::open(each.id, config_.pool.home);
    last = sandbox ? sandbox->ping(deadline) : std::unexpected(sandbox.error());
    if (last) return {};  // One that does not answer may just have been handed out and ended.
  }
  if (last && !status.failure.empty()) return fail(ErrorCode::kUnavailable, "the last start failed: " + status.failure);
  return last;
}

Result<AgentStats> ProviderState::stats(const std::string& agent) {
  auto entry = find(agent);
  if (!entry) return fail(ErrorCode::kNotFound, fmt::format("agent {}: it has no sandbox", printable(agent)));
  std::unique_lock lock(entry->mutex);
  auto sandbox = entry->sandbox;
  lock.unlock();
  if (!sandbox) return fail(ErrorCode::kNotFound, fmt::format("agent {}: it has no sandbox", printable(agent)));
  SandboxInfo info = TRY(sandbox->info());
  AgentStats stats{.sandbox = info.name, .status = info.status, .execs = entry->execs};
  bool is_running = info.status == SandboxStatus::kRunning || info.status == SandboxStatus::kPaused;
  if (uint64_t now = sandbox::realtime_now_ns(); is_running && now > info.ready_ns)
    stats.uptime = std::chrono::milliseconds((now - info.ready_ns) / 1'000'000);
  measure(info.pid, stats);
  return stats;
}

Result<void> ProviderState::end_agent(Agent& agent) {
  std::lock_guard lock(agent.mutex);
  if (agent.sandbox) TRY(end_sandbox(*agent.sandbox));
  agent.sandbox.reset();
  agent.ended = true;
  return {};
}

Result<void> ProviderState::destroy(const std::string& agent) {
  auto entry = find(agent);
  if (!entry) return {};
  if (auto ended = end_agent(*entry); !ended)
    return std::unexpected(std::move(ended).error().in("destroy agent " + agent));
  std::lock_guard lock(mutex_);
  if (auto found = agents_.find(agent); found != agents_.end() && found->second == entry) agents_.erase(found);
  return {};
}

Provider::Provider(std::unique_ptr<ProviderState> state) : state_(std::move(state)) {}
Provider::Provider(Provider&&) noexcept = default;
Provider& Provider::operator=(Provider&&) noexcept = default;
Provider::~Provider() = default;

Result<Provider> Provider::create(ProviderConfig config) {
  auto state = std::make_unique<ProviderState>(std::move(config));
  if (auto opened = state->open(); !opened) return std::unexpected(std::move(opened).error().in("provider"));
  return Provider(std::move(state));
}

Result<ProviderResult> Provider::exec(const std::string& agent, const ProviderExec& exec) {
  return state_->exec(agent, exec);
}

Result<void> Provider::health(const std::string& agent, std::chrono::milliseconds deadline) {
  return state_->health(agent, deadline);
}

Result<AgentStats> Provider::stats(const std::string& agent) const { return state_->stats(agent); }
Result<void> Provider::destroy(const std::string& agent) { return state_->destroy(agent); }

}  // namespace cloche
