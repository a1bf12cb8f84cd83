// Provider: "run this for that agent, and give me what it wrote", in one of three ways. Where the sandboxes come from,
// and when they go, is its matter.
//
//   auto provider = cloche::Provider::create({.mode = cloche::ProviderMode::kPerAgent});
//   auto result = provider->exec("agent-7", {.command = "python3", .arguments = {"-c", "print(6 * 7)"}});
//   // result->output is "42\n"
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloche/pool.h"
#include "cloche/result.h"
#include "cloche/sandbox.h"

namespace cloche {

enum class ProviderMode : uint8_t {
  kShared,    // Each command gets a sandbox of a pool. What it leaves behind nobody finds, unless the pool keeps it.
  kPerAgent,  // Each agent has a sandbox of its own, from its first command until destroy(): what it wrote is there.
  kOneShot,   // Each command gets a fresh sandbox, started for it.
};

struct ProviderConfig {
  ProviderMode mode = ProviderMode::kOneShot;
  // Name, sandbox, home and deadlines count in every mode, what is about a pool for kShared. With a name, what a
  // provider of this name left behind when its process was killed is removed by the next one.
  PoolConfig pool{};
  // For kPerAgent. One more is refused (kUnavailable).
  uint32_t max_agents = 64;
};

struct ProviderExec {
  std::string command{};  // Looked up in the guest's PATH when it has no slash.
  std::vector<std::string> arguments{};
  std::optional<std::string> working_directory{};
  std::vector<std::string> environment{};  // "NAME=value" each, over the sandbox's.
  std::string input{};                     // What the command reads.
  // Then all its processes are ended. At most kLongestTimeout. A sandbox that has to be waited for or started has its
  // own time for that: PoolConfig::start_deadline.
  std::chrono::milliseconds timeout{30'000};
  // Of each stream; what comes after that is dropped. At most kMostOutput.
  uint64_t output_limit = 1 << 20;
};

struct ProviderResult {
  int exit_code = 0;            // Where no signal ended it.
  std::optional<int> signal{};  // That ended it.
  std::string output{}, error_output{};
  bool output_cut = false, error_output_cut = false;  // There was more than the limit.
  bool timed_out = false;
  std::chrono::milliseconds duration{};  // Of the command alone.
};

// Of one agent's sandbox.
struct AgentStats {
  std::string sandbox{};  // Its name.
  SandboxStatus status = SandboxStatus::kCreated;
  std::chrono::milliseconds uptime{};
  uint64_t memory_bytes = 0;             // Of the host, that its VM's process has resident now.
  std::chrono::milliseconds cpu_time{};  // Of the host, that its VM's process has used.
  uint64_t execs = 0;                    // Commands that were begun in it.
};

class ProviderState;

// Any thread. Whatever becomes of a guest, calls return within their deadlines, with an error that says what failed:
// kNotFound and kPermission where the command is not there or cannot be executed, kTimeout and kUnavailable where there
// was no sandbox to be had.
class Provider {
 public:
  static constexpr std::chrono::milliseconds kLongestTimeout{300'000};
  static constexpr uint64_t kMostOutput = 10 << 20;

  static Result<Provider> create(ProviderConfig config);
  Provider(Provider&&) noexcept;
  Provider& operator=(Provider&&) noexcept;
  // Ends all its sandboxes.
  ~Provider();

  // Runs a command to its end for `agent`, which only kPerAgent tells from others. An agent may have several at once.
  Result<ProviderResult> exec(const std::string& agent, const ProviderExec& exec);
  // The same, where agents are not told apart.
  Result<ProviderResult> exec(const ProviderExec& exec) { return this->exec({}, exec); }
  // Whether commands can be run: a ping answered by the agent's sandbox, or by one that lies ready in the pool. An
  // agent without a sandbox, and a provider that starts each anew, have nothing that could be ill.
  Result<void> health(const std::string& agent, std::chrono::milliseconds deadline = std::chrono::seconds(5));
  // For kPerAgent. kNotFound: the agent has no sandbox.
  Result<AgentStats> stats(const std::string& agent) const;
  // Ends and removes the agent's sandbox, with what runs in it. That there is none is no error.
  Result<void> destroy(const std::string& agent);

 private:
  explicit Provider(std::unique_ptr<ProviderState> state);
  std::unique_ptr<ProviderState> state_;
};

}  // namespace cloche
