#include "guest/agent/kelpie_reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "guest/agent/base64.h"
#include "guest/agent/kelpie_request.h"

namespace cloche::agent {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";
constexpr size_t kMostMessage = 4096;
constexpr size_t kFrameOfOutcome = 512;  // Of an outcome, all but the two streams.

struct Piece {
  size_t size = 1;
  bool valid = false;
};

// The character at the front of `bytes`, or the part of one that a U+FFFD stands for (Unicode 15, table 3-7).
Piece front_of(std::string_view bytes) {
  auto lead = static_cast<uint8_t>(bytes[0]);
  if (lead < 0x80) return {1, true};
  if (lead < 0xc2 || lead > 0xf4) return {1, false};
  size_t more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;   // No character in more bytes than it takes,
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;  // no surrogate, none beyond U+10FFFF.
  for (size_t at = 1; at <= more; ++at) {
    auto next = at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : uint8_t{0};
    if (next < low || next > high) return {at, false};
    low = 0x80;
    high = 0xbf;
  }
  return {more + 1, true};
}

// A byte below 0x80, as it stands in a JSON string; where it needs room for that, in `room`.
std::string_view escape(char byte, std::array<char, 6>& room) {
  constexpr std::string_view kNamed = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt", kDigits = "0123456789abcdef";
  if (size_t named = kNamed.find(byte); named != std::string_view::npos) {
    room = {'\\', kNames[named]};
    return {room.data(), 2};
  }
  room[0] = byte;
  if (static_cast<uint8_t>(byte) >= 0x20) return {room.data(), 1};
  room = {'\\', 'u', '0', '0', kDigits[static_cast<uint8_t>(byte) >> 4], kDigits[static_cast<uint8_t>(byte) & 15]};
  return {room.data(), room.size()};
}

bool is_plain(char byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; }

std::string too_large(std::string_view what) {
  return kelpie_error(fmt::format("{}: larger than the {} bytes of a reply", what, kMostKelpieReply));
}

}  // namespace

size_t append_json_text(std::string& to, std::string_view bytes, size_t most) {
  size_t end = to.size() + most, at = 0;
  while (at < bytes.size()) {
    auto plain = static_cast<size_t>(
        std::find_if_not(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.end(), is_plain) - bytes.begin());
    size_t take = std::min(plain - at, end - to.size());
    to.append(bytes, at, take);
    at += take;
    if (at < plain) return at;
    if (at == bytes.size()) break;
    Piece piece = front_of(bytes.substr(at));
    std::array<char, 6> room;
    std::string_view shown = bytes.substr(at, piece.size);
    if (!piece.valid)
      shown = kReplacement;
    else if (piece.size == 1)
      shown = escape(bytes[at], room);
    if (shown.size() > end - to.size()) return at;
    to += shown;
    at += piece.size;
  }
  return at;
}

std::string kelpie_error(std::string_view message) {
  std::string reply = R"({"type":"error","message":")";
  append_json_text(reply, message, kMostMessage);
  return reply + "\"}";
}

std::string kelpie_contents(std::string_view bytes) {
  std::string reply = R"({"type":"file_contents","contents":")";
  if (reply.size() + base64_size(bytes.size()) + 2 > kMostKelpieReply) return too_large("the file in base64");
  append_base64(reply, bytes);
  return reply + "\"}";
}

std::string kelpie_listing(const std::vector<std::string>& names) {
  std::string reply = R"({"type":"directory_listing","files":[)";
  for (const std::string& name : names) {
    if (reply.back() != '[') reply += ',';
    reply += '"';
    append_json_text(reply, name, SIZE_MAX - reply.size());
    reply += '"';
    if (reply.size() > kMostKelpieReply) break;
  }
  reply += "]}";
  return reply.size() > kMostKelpieReply ? too_large("the list") : reply;
}

std::string kelpie_outcome(const KelpieOutcome& outcome) {
  bool signaled = outcome.ended.kind == wire::ExitKind::kSignaled;
  // A signal is exit code -1, as kelpie's own guest has it, and its number besides.
  std::string reply = fmt::format(R"({{"type":"exec_result","exit_code":{},"stdout":")",
                                  signaled ? -1 : static_cast<int>(outcome.ended.value));
  size_t room = kMostKelpieReply - kFrameOfOutcome;
  std::string error;
  size_t errors = append_json_text(error, outcome.error, room);
  // Each gets what the other one leaves, and no less than half.
  size_t output_room = std::max(room / 2, room - std::min(error.size(), room));
  size_t before = reply.size();
  size_t outputs = append_json_text(reply, outcome.output, output_room);
  size_t error_room = room - (reply.size() - before);
  if (error.size() > error_room) {
    error.clear();
    errors = append_json_text(error, outcome.error, error_room);
  }
  bool output_cut = outcome.output_cut || outputs < outcome.output.size();
  bool error_cut = outcome.error_cut || errors < outcome.error.size();
  reply += R"(","stderr":")" + error;
  if (output_cut) reply += fmt::format(R"(\ncloche: stdout was cut after {} bytes\n)", outputs);
  if (error_cut) reply += fmt::format(R"(\ncloche: stderr was cut after {} bytes\n)", errors);
  reply += '"';
  if (signaled) reply += fmt::format(R"(,"signal":{})", outcome.ended.value);
  if (outcome.ended.timed_out) reply += R"(,"timed_out":true)";
  if (output_cut) reply += R"(,"stdout_truncated":true)";
  if (error_cut) reply += R"(,"stderr_truncated":true)";
  return reply + "}";
}

}  // namespace cloche::agent
