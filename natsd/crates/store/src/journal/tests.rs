mod crash;
mod damage;
mod format;
mod model;
mod rules;
