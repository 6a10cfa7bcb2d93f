# Sourced when the environment is deactivated: undoes what activate.csh did.
if ( $?ACTIVATION_DEMO_FORMER_HOME ) then
    setenv ACTIVATION_DEMO_HOME "$ACTIVATION_DEMO_FORMER_HOME"
    unsetenv ACTIVATION_DEMO_FORMER_HOME
else
    unsetenv ACTIVATION_DEMO_HOME
endif
unalias activation_demo_greet
