// What a sandbox was made as: written once, when it is created, and again when it is renamed.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "cloche/sandbox.h"

namespace cloche::sandbox {

inline constexpr const char* kRecordFile = "sandbox.json";

struct Record {
  static constexpr int kVersion = 1;
  std::string id;
  uint64_t created_ns = 0;  // Since 1970.
  SandboxConfig config{};   // Without what belongs to a caller: streams, and the function that logs.
};

// As JSON for people and programs, and from it: kProtocol where it is not one of ours.
std::string encode(const Record& record);
Result<Record> decode_record(const std::string& text);
// Only the name, for the VM's process, which has no JSON library (record_name.cc). Empty where it is none of ours.
std::string name_in_record(std::string_view text);

}  // namespace cloche::sandbox
