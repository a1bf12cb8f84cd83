#include "carrier/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "base/private_files.h"
#include "carrier/protocol.h"

namespace cloche::carrier {
namespace {

constexpr size_t kMaxConsoleStart = 256 << 10;  // The ready line is within this much of the console's beginning.
constexpr size_t kLastWords = 2000;

std::string tail_of(const std::string& path) {
  auto file = open_file(path, O_RDONLY);
  if (!file) return {};
  off_t size = ::lseek(file->get(), 0, SEEK_END);
  off_t from = std::max<off_t>(0, size - static_cast<off_t>(kLastWords));
  ::lseek(file->get(), from, SEEK_SET);
  std::string text(kLastWords, '\0');
  auto got = read_full(file->get(), std::as_writable_bytes(std::span(text)));
  text.resize(got ? *got : 0);
  // Whole lines only, and nothing that a terminal would act upon.
  if (from > 0) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  std::erase_if(text, [](char each) { return (each < ' ' && each != '\n' && each != '\t') || each == 127; });
  return text;
}

}  // namespace

Result<StateDirectory> StateDirectory::open(Kind kind) { return open_below(TRY(runtime_directory()), kind); }

Result<StateDirectory> StateDirectory::open_below(const std::string& base, Kind kind) {
  TRY(private_directory(base, S_IWGRP | S_IWOTH));
  std::string path = base + (kind == Kind::kNormal ? "/machine" : "/machine-icount");
  TRY(private_directory(path));
  return StateDirectory(std::move(path));
}

Result<std::optional<Fd>> StateDirectory::try_lock() const {
  Fd file = TRY(open_file(path("lock"), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return std::optional(std::move(file));
  if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno("lock " + path("lock"));
  return std::optional<Fd>();
}

Result<Fd> StateDirectory::take_life() const {
  constexpr int kTries = 50;
  Fd file = TRY(open_file(path("life"), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  for (int i = 0; i < kTries; ++i) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
    ::usleep(2000);  // Somebody who only looks, in alive(), holds it for a moment.
  }
  return fail(ErrorCode::kUnavailable, "a machine is running already");
}

bool StateDirectory::alive() const {
  auto file = open_file(path("life"), O_RDONLY | O_NOFOLLOW);
  if (!file) return false;
  // Shared, so that those who look do not see each other.
  return ::flock(file->get(), LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

std::optional<Record> StateDirectory::record() const {
  auto text = read_text_file(path("record"), 4096);
  if (!text) return {};
  return decode_record(*text);
}

Result<void> StateDirectory::make_token() const {
  std::array<std::byte, kTokenBytes> token;
  if (::getrandom(token.data(), token.size(), 0) != static_cast<ssize_t>(token.size()))
    return fail_errno("draw a random token");
  return write_private_file(path("token"), token);
}

Result<std::string> StateDirectory::token() const {
  auto token = read_text_file(path("token"), kTokenBytes);
  if (token && token->size() != kTokenBytes) token = fail(ErrorCode::kHost, path("token") + " is damaged");
  return token;
}

bool StateDirectory::ready() const {
  auto file = open_file(path("console.log"), O_RDONLY);
  if (!file) return false;
  std::string text(kMaxConsoleStart, '\0');
  auto got = read_full(file->get(), std::as_writable_bytes(std::span(text)));
  if (!got) return false;
  text.resize(*got);
  return text.find(kReadyLine) != std::string::npos;
}

std::string StateDirectory::last_words() const {
  std::string words = tail_of(path("qemu.log")) + tail_of(path("console.log"));
  while (words.ends_with('\n')) words.pop_back();
  return words.empty() ? "" : "; its last words:\n" + words;
}

std::string encode(const Record& record) {
  return fmt::format("{} {} {}\n", record.pid, record.port, record.memory_mib);
}

std::optional<Record> decode_record(std::string_view text) {
  Record record;
  const char* at = text.data();
  const char* end = text.data() + text.size();
  auto number = [&](auto& value) {
    while (at < end && *at == ' ') ++at;
    auto [stop, error] = std::from_chars(at, end, value);
    at = stop;
    return error == std::errc();
  };
  if (!number(record.pid) || !number(record.port) || !number(record.memory_mib)) return {};
  if (record.pid <= 1 || record.port == 0 || at == end || *at != '\n') return {};
  return record;
}

}  // namespace cloche::carrier
