#include "api/pool_source.h"

#include <fmt/format.h>

#include "api/pool_owner.h"
#include "api/sandbox_start.h"
#include "sandbox/home.h"

namespace cloche {
namespace {

constexpr size_t kNumberDigits = 6;

class SandboxSource final : public PoolSource {
 public:
  SandboxSource(std::optional<PoolOwner> owner, PoolConfig config)
      : owner_(std::move(owner)), config_(std::move(config)) {}

  Result<Pooled> make() override {
    SandboxConfig config = config_.sandbox;
    config.name = fmt::format("{}-{}", config_.name, sandbox::make_id().substr(0, kNumberDigits));
    std::string name = config.name;
    Sandbox made = TRY(make_running_sandbox(std::move(config), config_.home, config_.start_deadline));
    std::string id = made.id();
    return Pooled{std::move(id), std::move(name), std::move(made)};
  }

  Health look(const Pooled& item) override {
    auto info = item.sandbox->info();
    if (!info) return info.error().code == ErrorCode::kNotFound ? Health::kGone : Health::kDead;
    return info->status == SandboxStatus::kRunning ? Health::kGood : Health::kDead;
  }

  Result<void> ping(const Pooled& item) override { return item.sandbox->ping(config_.ping_deadline); }
  Result<void> end(const Pooled& item) override { return end_sandbox(*item.sandbox); }
  void close() override { owner_.reset(); }

 private:
  std::optional<PoolOwner> owner_;  // Of the name, for as long as there are sandboxes of it.
  PoolConfig config_;
};

}  // namespace

Result<std::unique_ptr<PoolSource>> make_sandbox_source(const PoolConfig& given) {
  PoolConfig config = given;
  std::optional<PoolOwner> owner;
  if (config.max == 0 || config.min > config.max)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("min {}, max {}: at least one, and not fewer than min", config.min, config.max));
  if (config.name.empty())
    config.name = sandbox::make_name();
  else
    TRY(PoolOwner::check_name(config.name));
  config.home = TRY(sandbox::Home::open(config.home)).path();
  config.sandbox.labels[kPoolLabel] = config.name;
  TRY(plan_sandbox(config.sandbox));
  if (!given.name.empty()) owner = TRY(PoolOwner::take(config.home, config.name));
  return std::make_unique<SandboxSource>(std::move(owner), std::move(config));
}

}  // namespace cloche
