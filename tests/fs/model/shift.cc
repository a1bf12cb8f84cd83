// Operations that take a piece out of a file's middle, or make room there: what lies behind it moves.
#include <linux/falloc.h>

#include "state.h"

namespace cloche::model {
namespace {

int shift_error(const Handle& handle, bool out, Range range) {
  if (!handle.writes()) return EBADF;
  auto size = static_cast<off_t>(handle.node->data.size());
  return (out ? range.end() : range.offset) >= size ? EINVAL : 0;
}

}  // namespace

void do_shift(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr || !state.features.shift) return;
  std::string& data = handle->node->data;
  bool out = state.random.one_in(2);
  // Whole blocks only, and blocks have a page at most.
  auto offset = static_cast<off_t>(state.random.below(data.size() + kPage) / kPage * kPage);
  Range range{offset, (1 + state.random.below(8)) * kPage};
  if (!out && data.size() + range.size > state.largest) return;
  say(state, out ? "collapse" : "insert", handle->fd, "at", range.offset, "size", range.size);
  int mode = out ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE;
  int failed = err(::fallocate(handle->fd, mode, range.offset, static_cast<off_t>(range.size)));
  expect_error(state, "fallocate", failed, shift_error(*handle, out, range));
  if (failed != 0) return;
  if (out) {
    data.erase(static_cast<size_t>(range.offset), range.size);
  } else {
    data.insert(static_cast<size_t>(range.offset), range.size, '\0');
  }
  handle->node->touch();
}

}  // namespace cloche::model
