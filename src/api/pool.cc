#include "cloche/pool.h"

#include <algorithm>

#include "api/pool_core.h"
#include "api/pool_source.h"

namespace cloche {

std::string_view name_of(PooledState state) {
  switch (state) {
    case PooledState::kReady:
      return "ready";
    case PooledState::kInUse:
      return "in use";
    case PooledState::kChecking:
      return "checking";
    case PooledState::kEnding:
      return "ending";
  }
  return "unknown";
}

uint32_t PoolStatus::count(PooledState state) const {
  return static_cast<uint32_t>(std::ranges::count(sandboxes, state, &PooledSandbox::state));
}

Lease::Lease(std::shared_ptr<PoolCore> core, std::string name, Sandbox sandbox)
    : core_(std::move(core)), name_(std::move(name)), sandbox_(std::move(sandbox)) {}

Lease::Lease(Lease&&) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  core_ = std::move(other.core_);
  name_ = std::move(other.name_);
  sandbox_ = std::move(other.sandbox_);
  return *this;
}

Lease::~Lease() { release(); }

void Lease::release() {
  if (auto core = std::move(core_)) core->give_back(sandbox_->id());
}

void Lease::discard() {
  if (auto core = std::move(core_)) core->give_back(sandbox_->id(), GiveBack::kDiscard);
}

Pool::Pool(std::shared_ptr<PoolCore> core) : core_(std::move(core)) {}
Pool::Pool(Pool&&) noexcept = default;

Pool& Pool::operator=(Pool&& other) noexcept {
  if (this == &other) return *this;
  if (core_) core_->shut_down();
  core_ = std::move(other.core_);
  return *this;
}

Pool::~Pool() {
  if (core_) core_->shut_down();
}

Result<Pool> Pool::create(PoolConfig config) {
  std::string about = config.name.empty() ? "pool" : "pool " + config.name;
  auto source = make_sandbox_source(config);
  if (!source) return std::unexpected(std::move(source).error().in(about));
  auto core = PoolCore::create(std::move(*source), std::move(config));
  if (!core) return std::unexpected(std::move(core).error().in(about));
  return Pool(std::move(*core));
}

Result<Lease> Pool::acquire(Deadline deadline) {
  auto core = core_;
  auto taken = core->acquire_within(deadline);
  if (!taken) return std::unexpected(std::move(taken).error().in("acquire a sandbox"));
  return Lease(std::move(core), std::move(taken->name), std::move(*taken->sandbox));
}

PoolStatus Pool::status() const { return core_->status(); }

}  // namespace cloche
