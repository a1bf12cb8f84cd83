// An environment as a list of "NAME=value", the host's and the guest's side of libkrun's alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cloche::krun {

// Empty where it has no such variable.
std::string value_of(const std::vector<std::string>& environment, std::string_view name);

// Sets a variable, in the place of one that is there. What is not NAME=value, which no program finds by a name, is
// left out.
void set_variable(std::vector<std::string>& environment, const std::string& variable);

// Adds the variables of a configuration: they stand back behind what is there, but for HOME and TERM. For these two
// somebody else, the kernel say, has values that hide whether any were given; KRUN_HOME and KRUN_TERM are above all.
void add_configured(std::vector<std::string>& environment, const std::vector<std::string>& configured);

}  // namespace cloche::krun
