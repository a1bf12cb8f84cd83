// What a sandbox's command has written, read from files that are being written and rotated (vmm/command_log.h).
#include "api/rotated_lines.h"
#include "cloche/sandbox.h"
#include "sandbox/utc_time.h"

namespace cloche {
namespace {

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
  entry.time_ns = sandbox::parse_utc(std::string(line.substr(0, time_end)));
  return entry.time_ns != 0;
}

}  // namespace

class OutputReader::Files {
 public:
  explicit Files(std::string newest) : lines_(std::move(newest), RotatedLines::Writers::kOne) {}

  Result<std::optional<OutputEntry>> next() {
    OutputEntry entry;
    while (auto line = TRY(lines_.next()))
      if (parse_entry(*line, entry)) return entry;
    return std::nullopt;
  }

 private:
  RotatedLines lines_;
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
