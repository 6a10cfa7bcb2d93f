# Sourced when the environment is deactivated: undoes what activate.fish did.
if set -q ACTIVATION_DEMO_FORMER_HOME
    set -gx ACTIVATION_DEMO_HOME $ACTIVATION_DEMO_FORMER_HOME
    set -e ACTIVATION_DEMO_FORMER_HOME
else
    set -e ACTIVATION_DEMO_HOME
end
functions -e activation_demo_greet
