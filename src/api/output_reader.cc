// What a sandbox's command has written, read from files that are being written and rotated (vmm/command_log.h).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "base/fd.h"
#include "cloche/sandbox.h"

namespace cloche {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kMostEntry = 64 << 10;  // Longer than any that is written.
constexpr uint32_t kMostFiles = 1000;

// "2026-11-25T09:08:07.123456789Z"; 0 where it is none.
uint64_t parse_time(const std::string& text) {
  tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr || *rest != '.') return 0;
  uint64_t fraction = 0;
  auto [end, error] = std::from_chars(rest + 1, text.data() + text.size(), fraction);
  if (error != std::errc() || end != rest + 10) return 0;
  return static_cast<uint64_t>(::timegm(&parts)) * 1'000'000'000 + fraction;
}

// False for what is no entry: a file that somebody else has written to.
bool parse_entry(std::string_view line, OutputEntry& entry) {
  size_t time_end = line.find(' ');
  if (time_end == std::string_view::npos) return false;
  std::string_view rest = line.substr(time_end + 1);
  entry.is_error = rest.starts_with("stderr ");
  if (!entry.is_error && !rest.starts_with("stdout ")) return false;
  rest.remove_prefix(7);
  entry.is_part = rest.starts_with("P ");
  if (!entry.is_part && !rest.starts_with("F ")) return false;
  entry.text = rest.substr(2);
  entry.time_ns = parse_time(std::string(line.substr(0, time_end)));
  return entry.time_ns != 0;
}

struct File {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const File&) const = default;
};

File identity(const struct stat& status) { return {status.st_dev, status.st_ino}; }

}  // namespace

class OutputReader::Files {
 public:
  explicit Files(std::string newest) : newest_(std::move(newest)) {}

  Result<std::optional<OutputEntry>> next() {
    for (;;) {
      size_t end = read_.find('\n', done_);
      if (end != std::string::npos) {
        std::string_view line = std::string_view(read_).substr(done_, end - done_);
        done_ = end + 1;
        OutputEntry entry;
        if (parse_entry(line, entry)) return entry;
        continue;
      }
      if (TRY(read_more())) continue;
      // The end of this file. Once there is a newer one, no more comes.
      if (!TRY(open_next())) return std::nullopt;
    }
  }

 private:
  std::string path(uint32_t number) const { return number == 0 ? newest_ : fmt::format("{}.{}", newest_, number); }

  // False when there is no more in this file now.
  Result<bool> read_more() {
    if (!file_) return false;
    read_.erase(0, done_);
    done_ = 0;
    if (read_.size() > kMostEntry) read_.clear();
    size_t had = read_.size();
    read_.resize(had + kReadBytes);
    ssize_t got = ::read(file_.get(), read_.data() + had, kReadBytes);
    read_.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) return fail_errno("read " + newest_);
    return got > 0;
  }

  // The file after the one that was read, or the oldest. False when there is none yet.
  Result<bool> open_next() {
    uint32_t next = 0;
    bool found = false;
    struct stat status{};
    for (uint32_t number = 0; number < kMostFiles && ::stat(path(number).c_str(), &status) == 0; ++number) {
      found = true;
      if (file_ && identity(status) == current_) {
        if (number == 0) return false;
        next = number - 1;
        break;
      }
      next = number;
    }
    if (!found) return false;
    auto opened = open_file(path(next), O_RDONLY | O_NOFOLLOW);
    if (!opened && opened.error().sys_errno == ENOENT) return false;  // Rotated away just now; it is looked for again.
    if (!opened) return std::unexpected(std::move(opened).error());
    if (::fstat(opened->get(), &status) < 0) return fail_errno("look at " + newest_);
    file_ = std::move(*opened);
    current_ = identity(status);
    read_.clear();
    done_ = 0;
    return true;
  }

  std::string newest_;
  Fd file_;
  File current_;
  std::string read_;
  size_t done_ = 0;
};

OutputReader::OutputReader(std::unique_ptr<Files> files) : files_(std::move(files)) {}
OutputReader::OutputReader(OutputReader&&) noexcept = default;
OutputReader& OutputReader::operator=(OutputReader&&) noexcept = default;
OutputReader::~OutputReader() = default;
Result<std::optional<OutputEntry>> OutputReader::next() { return files_->next(); }
OutputReader Sandbox::output() const {
  return OutputReader(std::make_unique<OutputReader::Files>(home_ + "/sandboxes/" + id_ + "/output.log"));
}

}  // namespace cloche
