// Operations through memory mappings.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "state.h"

namespace cloche::model {
namespace {

constexpr size_t kMostMaps = 3;

int map_error(const State& state, const Handle& handle, int protection) {
  if (!handle.reads() || ((protection & PROT_WRITE) && !handle.writes())) return EACCES;
  return state.features.shared_map ? 0 : ENODEV;
}

void use(State& state, const Map& map, bool write) {
  size_t end = std::min(map.size, map.node->data.size());
  if (end == 0) return;
  size_t from = state.random.below(end), size = 1 + state.random.below(end - from);
  say(state, write ? "write" : "read", "mapping of", map.size, "at", from, "size", size);
  std::string_view wanted = std::string_view(map.node->data).substr(from, size);
  expect_bytes(state, "mapped", {map.at + from, size}, wanted);
  if (!write) return;
  std::string bytes = state.random.bytes(size);
  std::memcpy(map.at + from, bytes.data(), size);
  std::ranges::copy(bytes, map.node->data.begin() + static_cast<off_t>(from));
  map.node->touch();
  map.node->mapped = true;
}

}  // namespace

// Maps, reads or writes, perhaps syncs, unmaps.
void do_map(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr || handle->node->data.empty()) return;
  bool write = state.random.one_in(2), is_private = state.random.one_in(4), sync = state.random.one_in(3);
  int protection = write && !is_private ? PROT_READ | PROT_WRITE : PROT_READ;
  Map map{.at = nullptr, .size = handle->node->data.size(), .node = handle->node};
  say(state, "mmap", handle->fd, is_private ? "private" : "shared", write ? "to write" : "to read");
  void* at = ::mmap(nullptr, map.size, protection, is_private ? MAP_PRIVATE : MAP_SHARED, handle->fd, 0);
  int wanted = map_error(state, *handle, protection);
  if (is_private && wanted == ENODEV) wanted = 0;
  expect_error(state, "mmap", at == MAP_FAILED ? errno : 0, wanted);
  if (at == MAP_FAILED) return;
  map.at = static_cast<char*>(at);
  use(state, map, write && !is_private);
  if (sync) expect_error(state, "msync", err(::msync(at, map.size, MS_SYNC)), 0);
  expect_error(state, "munmap", err(::munmap(at, map.size)), 0);
}

void do_keep_map(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr || handle->node->data.empty() || !handle->reads() || !handle->writes()) return;
  if (!state.features.shared_map) return;
  if (state.maps.size() >= kMostMaps) do_drop_map(state);
  size_t size = handle->node->data.size();
  say(state, "keep mapping of", handle->fd, "size", size);
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, handle->fd, 0);
  expect_error(state, "mmap", at == MAP_FAILED ? errno : 0, 0);
  state.maps.push_back({static_cast<char*>(at), size, handle->node});
}

void do_use_map(State& state) {
  if (state.maps.empty()) return;
  use(state, state.maps[state.random.below(state.maps.size())], state.random.one_in(2));
}

void do_drop_map(State& state) {
  if (state.maps.empty()) return;
  Map map = std::move(state.maps.front());
  state.maps.erase(state.maps.begin());
  say(state, "unmap", map.size);
  expect_error(state, "munmap", err(::munmap(map.at, map.size)), 0);
}

}  // namespace cloche::model
