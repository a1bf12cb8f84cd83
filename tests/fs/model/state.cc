#include "state.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace cloche::model {
namespace {

constexpr size_t kKeptLines = 60;
constexpr size_t kMostCharacters = 160;  // Of such a line.
constexpr size_t kDeepest = 3;
constexpr size_t kLargestTree = 80;

std::string name_of(int error) {
  const char* name = error == 0 ? "ok" : ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

std::string printable(std::string_view text) {
  std::string out;
  for (char each : text.substr(0, kMostCharacters)) out += each >= ' ' && each <= '~' ? each : '?';
  return out;
}

}  // namespace

void note(State& state, const std::string& line) {
  state.log.push_back(std::to_string(state.operation) + ": " + printable(line));
  if (state.log.size() > kKeptLines) state.log.pop_front();
}

void differs(const State& state, const std::string& what) {
  for (const std::string& line : state.log) std::printf("  %s\n", line.c_str());
  std::printf("DIFFERENCE: seed %lu, operation %lu: %s\n", state.seed, state.operation, what.c_str());
  std::fflush(stdout);
  ::_exit(1);
}

void expect(State& state, std::string_view what, long got, long wanted) {
  if (got == wanted) return;
  differs(state, std::string(what) + " is " + std::to_string(got) + ", not " + std::to_string(wanted));
}

void expect_error(State& state, std::string_view what, int got, int wanted) {
  if (got == wanted) return;
  differs(state, std::string(what) + " answers " + name_of(got) + ", not " + name_of(wanted));
}

void expect_bytes(State& state, std::string_view what, std::string_view got, std::string_view wanted) {
  if (got == wanted) return;
  size_t at = static_cast<size_t>(std::ranges::mismatch(got, wanted).in1 - got.begin());
  size_t wrong = 0;
  for (size_t i = at; i < std::min(got.size(), wanted.size()); ++i) wrong += got[i] != wanted[i];
  auto byte = [&](std::string_view bytes) {
    return at < bytes.size() ? std::to_string(static_cast<unsigned char>(bytes[at])) : "the end";
  };
  differs(state, std::string(what) + ": " + std::to_string(got.size()) + " bytes of " + std::to_string(wanted.size()) +
                     "; the one at " + std::to_string(at) + " is " + byte(got) + ", not " + byte(wanted) + "; " +
                     std::to_string(wrong) + " are wrong");
}

std::string pick_name(State& state) {
  static const std::array<std::string, 8> kNames{"a", "b", "c", "d", "e", "\x01\xff odd\n", "f", std::string(255, 'n')};
  return kNames[state.random.below(kNames.size())];
}

std::string pick_path(State& state) {
  if (state.one_file) return "file";
  const Node* here = state.tree.root().get();
  std::string path;
  auto any_child = [&](auto&& fits) -> const std::string* {
    std::vector<const std::string*> names;
    for (auto& [name, child] : here->children)
      if (fits(*child)) names.push_back(&name);
    return names.empty() ? nullptr : names[state.random.below(names.size())];
  };
  for (size_t depth = 0; depth < kDeepest && !state.random.one_in(3); ++depth) {
    const std::string* name = any_child([](const Node& child) { return child.is_directory(); });
    if (name == nullptr) break;
    path += *name + "/";
    here = here->children.at(*name).get();
  }
  const std::string* known = any_child([](const Node&) { return true; });
  path += known != nullptr && !state.random.one_in(3) ? *known : pick_name(state);
  if (state.random.one_in(12)) path += "/" + pick_name(state);
  return path;
}

bool is_crowded(const State& state) { return state.tree.size() > kLargestTree; }

Handle* pick_handle(State& state) {
  return state.handles.empty() ? nullptr : &state.handles[state.random.below(state.handles.size())];
}

Range pick_range(State& state, const Handle& handle) {
  Random& random = state.random;
  size_t size = handle.node->data.size();
  size_t offset = random.below(state.largest), length = 1 + random.below(state.largest / 4);
  if (random.one_in(3)) offset -= offset % kPage;
  if (random.one_in(3)) offset = size - std::min(size, random.below(2 * kPage));
  if (random.one_in(3)) length = 1 + random.below(100);
  if (random.one_in(4)) length = (1 + random.below(8)) * kPage;
  if (handle.direct()) {
    offset -= offset % kPage;
    length += kPage - 1 - (length - 1) % kPage;
  }
  length = std::min(length, state.largest - offset);
  return {static_cast<off_t>(offset), length};
}

}  // namespace cloche::model
