// Names of the flags of vLLM and TensorRT-LLM, for telling what a misspelt one was meant to be. Not complete:
// releases differ, so a name that is near none of these is left alone. (SGLang's and hadal's are in config/.)
#pragma once

#include <string>
#include <string_view>

#include "deploy/validate/command_text.h"

namespace hadal {

// name: with its dashes, without "=value". The flag that it was meant to be; "" where it is a flag itself, is
// near none, or the engine has no list. vLLM takes "_" for "-", "--no-X", and "--X.part".
std::string meant_engine_flag(EngineName engine, std::string_view name);

}  // namespace hadal
